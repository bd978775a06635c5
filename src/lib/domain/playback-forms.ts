import type { Delivery, DeliveryMode, Protocol } from './protection.ts';

const FORMATS: Readonly<
  Record<Exclude<Protocol, 'smooth'>, Readonly<Record<Exclude<DeliveryMode, 'off'>, string>>>
> = {
  hls: {
    clear: 'format=m3u8-cmaf',
    // Transport streams: every player that knows AES-128 knows it with them.
    aes128: 'format=m3u8-aapl,encryption=cbc',
    cenc: 'format=m3u8-cmaf,encryption=cenc',
    cbcs: 'format=m3u8-cmaf,encryption=cbcs-aapl',
  },
  dash: {
    clear: 'format=mpd-time-cmaf',
    aes128: 'format=mpd-time-csf,encryption=cbc',
    cenc: 'format=mpd-time-cmaf,encryption=cenc',
    cbcs: 'format=mpd-time-cmaf,encryption=cbcs-aapl',
  },
};
const SMOOTH: Readonly<Record<Exclude<DeliveryMode, 'off'>, string>> = {
  clear: '',
  aes128: '(encryption=cbc)',
  cenc: '(encryption=cenc)',
  cbcs: '',
};

/** The addresses of one presentation as its profile delivers it (reference §3.1, §3.2); null: not by this protocol. */
export function playbackAddresses(
  manifest: string,
  delivery: Delivery,
): Readonly<Record<Protocol, string | null>> {
  const { hls, dash, smooth } = delivery;
  return {
    hls: hls === 'off' ? null : `${manifest}(${FORMATS.hls[hls]}).m3u8`,
    dash: dash === 'off' ? null : `${manifest}(${FORMATS.dash[dash]}).mpd`,
    smooth: smooth === 'off' ? null : `${manifest}${SMOOTH[smooth]}`,
  };
}
