import { effect } from '@preact/signals';
import { render } from 'preact';
import { App } from './app/app.tsx';
import { followLinks } from './app/location.ts';
import { keepPreferences } from './app/preferences.ts';
import { loadSelf, self } from './app/self.ts';
import { callers, startLive } from './live/live.ts';
import './style/colours.css';
import './style/base.css';
import './style/frame.css';
import './style/notices.css';
import './style/lists.css';
import './style/integration.css';
import './style/forms.css';
import './style/try.css';
import './style/letters.css';
import './style/narrow.css';

keepPreferences();
followLinks();
startLive();
// Who must log in is led there by what cannot be shown.
effect(() => {
  callers.value; // each time that it is somebody else
  void loadSelf().catch(() => {
    self.value = undefined;
  });
});
render(<App />, document.getElementById('app')!);
