import { useEffect, useState } from 'preact/hooks';

/** Counts up every `ms` milliseconds while the page is looked at: what the stream does not tell is asked for then. */
export function useTick(ms: number): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setCount((n) => n + 1);
    }, ms);
    return () => clearInterval(timer);
  }, [ms]);
  return count;
}
