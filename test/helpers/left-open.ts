// Loaded before each test file: tells what its tests left open, and ends the process instead of waiting for ever.
import { after } from 'node:test';

const GRACE = 20_000;

after(() => {
  const timer = setTimeout(() => {
    const open = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
    console.error(
      `${process.argv[1]} left open: ${open.join(', ')}; look for what is not closed after its test`,
    );
    process.exit();
  }, GRACE);
  timer.unref();
});
