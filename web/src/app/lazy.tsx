import type { ComponentChildren } from 'preact';
import { ANOTHER_VERSION } from '../api/another-version.ts';
import { useQuery } from '../api/use-query.ts';
import { Empty, Loading } from '../ui/notice.tsx';

interface LazyProps<M> {
  readonly load: () => Promise<M>;
  readonly what: string;
  readonly show: (module: M) => ComponentChildren;
}

/** A part of the UI that is loaded when it is wanted. */
export function Lazy<M>({ load, what, show }: LazyProps<M>) {
  const { value, failure } = useQuery(load, []);
  if (failure) {
    return (
      <Empty title={ANOTHER_VERSION.title}>
        <p>{ANOTHER_VERSION.text}</p>
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </Empty>
    );
  }
  return <div class="lazy">{value ? show(value) : <Loading what={what} />}</div>;
}
