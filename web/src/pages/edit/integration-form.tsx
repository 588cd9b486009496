import { create } from '@bufbuild/protobuf';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Integration, IntegrationSchema, type Violation } from '../../../../src/client/contract.ts';
import { changedPaths } from '../../../../src/contract/changed-paths.ts';
import { newRequestId } from '../../api/request-id.ts';
import { refusal } from '../../app/self.ts';
import { nested, rootEditor } from '../../forms/editor.ts';
import { Fields } from '../../forms/field.tsx';
import { FormContext } from '../../forms/form-state.ts';
import { sectionsFor } from '../../forms/layout.ts';
import { placed } from '../../forms/violations.ts';
import { Check } from './check.tsx';
import { forgetDraft, keepDraft } from './draft.ts';
import { controlsIn, goToField } from './go-to-field.ts';
import { PreviewPane } from './preview-pane.tsx';
import { Review } from './review.tsx';
import { Summary } from './summary.tsx';
import { TypeCards } from './type-cards.tsx';
import { rulesBroken, useChecks } from './use-checks.ts';

const CONFIGURATION = IntegrationSchema.oneofs.find(({ name }) => name === 'configuration')!;

interface FormProps {
  /** What is stored; undefined: it is a new one. */
  readonly base?: Integration;
  /** What the form begins with. */
  readonly start: Integration;
  /** Secrets of the one that this was copied from, which have to be given again. */
  readonly lost?: readonly string[];
  /** Secrets that were typed before a reload, by their paths. */
  readonly typed?: readonly string[];
  /** By what the draft is kept. */
  readonly draftId: string;
}

/** One form for all of an integration: what can be set is what the schema has. */
export function IntegrationForm({ base, start, lost = [], typed = [], draftId }: FormProps) {
  const [stored, setStored] = useState(base);
  const [draft, setDraft] = useState(start);
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map());
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [isReviewing, setReviewing] = useState(false);
  const [hasTried, setTried] = useState(false);
  // A second click, or a second try after a time-out, makes no second integration.
  const [requestId] = useState(newRequestId);
  // What was typed is what stands in the controls: after a merge they begin anew with what came of it.
  const [merges, setMerges] = useState(0);
  const why = refusal(`IntegrationService/${base ? 'UpdateIntegration' : 'CreateIntegration'}`);
  const form = useRef<HTMLFormElement>(null);
  const changed = useMemo(() => changedPaths(stored ?? EMPTY, draft), [stored, draft]);
  const { local, ofServer } = useChecks(draft, changed);

  const change = (next: Integration) => {
    setDraft(next);
    keepDraft(draftId, next, typed);
  };
  useLeaving(changed.length > 0 && !isReviewing);
  const root = rootEditor(draft, change);
  const type = root.message.oneofCase(CONFIGURATION);
  const config = type?.fieldKind === 'message' ? nested(root, type) : undefined;

  const unreadable = [...problems].map(([path, description]) => ({ path, description }));
  const all = [...unreadable, ...local, ...ofServer];
  const isShown = ({ path }: Pick<Violation, 'path'>) =>
    hasTried || [...touched].some((name) => isWithin(path.replace(/^integration\./, ''), name));
  const shown = placed(all.filter(isShown), controlsIn(form.current));
  const setProblem = (path: string, problem: string | undefined) =>
    setProblems((before) => {
      const next = new Map(before);
      if (problem === undefined) next.delete(path);
      else next.set(path, problem);
      return next;
    });
  const submit = () => {
    setTried(true);
    // What was typed last may not have been looked at yet.
    const found = [...unreadable, ...rulesBroken(draft), ...ofServer];
    if (found.length === 0) setReviewing(true);
    else requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('.form-summary')?.focus());
  };
  const go = (path: string) => goToField(form.current, path);
  // A link may name the field that it is about.
  useEffect(() => {
    if (location.hash.length > 1) go(decodeURIComponent(location.hash.slice(1)));
  }, []);
  return (
    <FormContext.Provider
      value={{ shown, storedSecrets: stored?.setSecrets ?? [], lostSecrets: typed, setProblem }}
    >
      <div class="with-preview">
        <form
          ref={form}
          class="integration-form"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
          onFocusOut={(event) => {
            const path = (event.target as Element).closest<HTMLElement>('[data-path]')?.dataset.path;
            if (path !== undefined) setTouched((before) => new Set([...before, path]));
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && event.ctrlKey) submit();
          }}
        >
          <header class="page-head">
            <p class="quiet">
              <a href="/integrations">Integrations</a> / {stored ? stored.name : 'new'}
            </p>
            <h1>{stored ? `Edit ${stored.name}` : 'New integration'}</h1>
          </header>
          {lost.length > 0 && (
            <p class="notice wait">A copy has no secrets. To give again: {lost.join(', ')}.</p>
          )}
          {hasTried && all.length > 0 && <Summary shown={shown} form={form.current} />}
          {sectionsFor(type?.message).map(({ id, title, own, ofType }) => (
            <section key={`${id} ${merges}`} id={id}>
              <h2>{title}</h2>
              {id === 'where-to' && <TypeCards root={root} oneof={CONFIGURATION} stored={stored} />}
              <Fields editor={root} fields={own} />
              {config && <Fields key={type?.name} editor={config} fields={ofType} />}
              {id === 'where-to' && config && <Check target={draft} onGo={go} />}
            </section>
          ))}
          <div class="actions sticky">
            <button type="submit" class="primary" disabled={why !== undefined} title={why}>
              {stored ? 'Review and save' : 'Review and create'}
            </button>
            <span class="quiet">
              {why !== undefined && `${why}. `}
              {changed.length === 0 ? 'nothing is changed' : `${changed.length} changed`}
              {all.length > 0 && `, ${all.length} to put right`}
            </span>
          </div>
        </form>
        <PreviewPane draft={draft} faults={unreadable.length + local.length} onGo={go} />
      </div>
      {isReviewing && (
        <Review
          stored={stored}
          draft={draft}
          changed={changed}
          requestId={requestId}
          onClose={() => setReviewing(false)}
          onMerged={(theirs, merged) => {
            setStored(theirs);
            change(merged);
            setProblems(new Map());
            setMerges(merges + 1);
          }}
          onSaved={() => forgetDraft(draftId)}
        />
      )}
    </FormContext.Provider>
  );
}

const EMPTY = create(IntegrationSchema);

/** Whether a path is `of`, or leads on from it. */
const isWithin = (path: string, of: string): boolean =>
  path === of || path.startsWith(`${of}.`) || path.startsWith(`${of}[`);

/** Asks before what was typed is left behind. */
function useLeaving(isChanged: boolean): void {
  useEffect(() => {
    if (!isChanged) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isChanged]);
}
