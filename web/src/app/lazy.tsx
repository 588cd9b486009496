import type { ComponentChildren } from 'preact';
import { useQuery } from '../api/use-query.ts';
import { Empty, Loading } from '../ui/notice.tsx';

interface LazyProps<M> {
  readonly load: () => Promise<M>;
  readonly what: string;
  readonly show: (module: M) => ComponentChildren;
}

/** A part of the UI that is loaded when it is wanted. One of an older version may be gone from the server. */
export function Lazy<M>({ load, what, show }: LazyProps<M>) {
  const { value, failure } = useQuery(load, []);
  if (failure) {
    return (
      <Empty title="This page is of another version">
        <p>The server has a newer one, or cannot be reached.</p>
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </Empty>
    );
  }
  return <div class="lazy">{value ? show(value) : <Loading what={what} />}</div>;
}
