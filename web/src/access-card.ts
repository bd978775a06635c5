import { type Access, isNoAccess, type NoAccess } from './access.ts';
import { element, setText } from './view.ts';

/** Who may play the program: its protection, and what testers need, shown when they ask for it. */
export class AccessCard {
  readonly #details = element('access-addresses', HTMLElement);
  #hasToken = false;

  constructor() {
    element('show-token', HTMLButtonElement).addEventListener('click', () => {
      this.#details.hidden = !this.#details.hidden;
    });
  }

  show(protection: string, access: Access | NoAccess | undefined): void {
    setText('protection', protection === '' ? '–' : protection);
    const known = access === undefined || isNoAccess(access) ? undefined : access;
    setText('access-note', noteOf(protection, access));
    this.#hasToken = known?.token !== undefined;
    element('show-token', HTMLButtonElement).disabled = !this.#hasToken;
    if (!this.#hasToken) this.#details.hidden = true;
    setText('access-token', known?.token ?? '');
    setText('access-native', known?.nativeHls ?? '');
    setText(
      'access-ffplay',
      known?.nativeHls === undefined ? '' : `ffplay -extension_picky 0 '${known.nativeHls}'`,
    );
    setText('access-page', known?.testPage ?? '');
    for (const [row, text] of [
      ['access-native-row', known?.nativeHls],
      ['access-ffplay-row', known?.nativeHls],
      ['access-page-row', known?.testPage],
    ] as const)
      element(row, HTMLElement).hidden = text === undefined;
  }
}

function noteOf(protection: string, access: Access | NoAccess | undefined): string {
  if (protection === '' || access === undefined) return '';
  if (isNoAccess(access)) return access.problem;
  if (access.token === undefined) return 'Who knows the address can play it.';
  const until =
    access.expiresAtMs === undefined ? '' : ` until ${new Date(access.expiresAtMs).toLocaleTimeString()}`;
  return `Who has a token gets keys. This page plays with one${until}.`;
}
