import { refusal } from '../app/self.ts';

interface RoleLinkProps {
  /** Of IntegrationService: what it leads to is of no use without. */
  readonly method: string;
  readonly href: string;
  readonly text: string;
  readonly isPrimary?: boolean;
}

/** A link to where something is changed; who may not do that is told why. */
export function RoleLink({ method, href, text, isPrimary = false }: RoleLinkProps) {
  const why = refusal(`IntegrationService/${method}`);
  if (why !== undefined) {
    return (
      <button type="button" disabled title={why}>
        {text}
      </button>
    );
  }
  return (
    <a class={isPrimary ? 'button primary' : 'button'} href={href}>
      {text}
    </a>
  );
}
