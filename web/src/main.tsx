import { effect, untracked } from '@preact/signals';
import { render } from 'preact';
import { prepareCalls } from './api/client.ts';
import { failureOf } from './api/failures.ts';
import { App } from './app/app.tsx';
import { leaveToOthers } from './app/leave.ts';
import { followLinks } from './app/location.ts';
import { keepPreferences } from './app/preferences.ts';
import { loadSelf, self } from './app/self.ts';
import { callers, connection, startLive } from './live/live.ts';
import './style/colours.css';
import './style/base.css';
import './style/frame.css';
import './style/notices.css';
import './style/lists.css';
import './style/integrations.css';
import './style/integration.css';
import './style/forms.css';
import './style/try.css';
import './style/letters.css';
import './style/access.css';
import './style/messages.css';
import './style/narrow.css';

let known = -1;

keepPreferences();
followLinks();
leaveToOthers();
startLive();
prepareCalls();
// Each time that it is somebody else, and as long as it is not known, whenever the server is there again.
effect(() => {
  void callers.value;
  const isLive = connection.value.state === 'live';
  if (isLive && untracked(() => self.value) !== undefined && callers.value === known) return;
  known = callers.value;
  void loadSelf().catch((error) => {
    if (failureOf(error).needsLogin) self.value = undefined; // led to where one logs in, by what cannot be shown
  });
});
render(<App />, document.getElementById('app')!);
