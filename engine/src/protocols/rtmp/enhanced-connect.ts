import { type Amf0Value, amf0Object, amf0Property } from './amf0.ts';

// Veovera Enhanced RTMP v2, "Enhancing NetConnection connect Command".

export const ENHANCED_FOUR_CCS = { video: ['avc1', 'hvc1'], audio: ['mp4a'] } as const;
const PROPERTIES = ['fourCcList', 'videoFourCcInfoMap', 'audioFourCcInfoMap', 'capsEx'] as const;
/** FourCcInfoMask: it is taken and handed on, neither decoded nor encoded. */
const CAN_FORWARD = 4;
/** CapsExMask: multitrack, and packets that begin with modifiers. */
const CAPABILITIES = 0x02 | 0x04;

/** Whether the peer speaks Enhanced RTMP; one that does not is told nothing of it. */
export function isEnhancedConnect(commandObject: Amf0Value): boolean {
  return PROPERTIES.some((name) => amf0Property(commandObject, name) !== undefined);
}

/** What the server says of itself in the answer to `connect`. */
export function enhancedCapabilities(): Readonly<Record<string, Amf0Value>> {
  const { video, audio } = ENHANCED_FOUR_CCS;
  const infoMap = (fourCcs: readonly string[]) =>
    amf0Object(Object.fromEntries(fourCcs.map((fourCc) => [fourCc, CAN_FORWARD])));
  return {
    fourCcList: [...video, ...audio],
    videoFourCcInfoMap: infoMap(video),
    audioFourCcInfoMap: infoMap(audio),
    capsEx: CAPABILITIES,
  };
}
