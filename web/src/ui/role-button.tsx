import { refusal } from '../app/self.ts';

interface RoleButtonProps {
  /** What it calls, such as `IntegrationService/RestartIntegration`. */
  readonly method: string;
  readonly text: string;
  readonly onClick: () => void;
  /** Not now, whoever it is. */
  readonly isOff?: boolean;
}

/** A button for those who may: others are told why not. */
export function RoleButton({ method, text, onClick, isOff = false }: RoleButtonProps) {
  const why = refusal(method);
  return (
    <button type="button" disabled={isOff || why !== undefined} title={why} onClick={onClick}>
      {text}
    </button>
  );
}

interface RoleLinkProps {
  /** What is called there: the page is of no use without. */
  readonly method: string;
  readonly href: string;
  readonly text: string;
  readonly isPrimary?: boolean;
}

/** A link to where something is done, for those who may. */
export function RoleLink({ method, href, text, isPrimary = false }: RoleLinkProps) {
  if (refusal(method) !== undefined) return <RoleButton method={method} text={text} onClick={() => {}} />;
  return (
    <a class={isPrimary ? 'button primary' : 'button'} href={href}>
      {text}
    </a>
  );
}
