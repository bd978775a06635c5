import { COUNTER_BITS } from './counted-video.ts';

/**
 * Source text of a function for the page: reads the burnt-in frame number from anything a canvas can draw. A frame whose
 * squares are neither clearly black nor clearly white reads as -1.
 */
export const READ_COUNTER_SOURCE = `
function readCounter(image, width, height) {
  const canvas = (globalThis.counterCanvas ??= new OffscreenCanvas(width, height));
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const side = width / 16;
  let value = 0;
  for (let bit = 0; bit < ${COUNTER_BITS}; bit += 1) {
    const [r, g, b] = context.getImageData(Math.floor((bit + 0.5) * side), Math.floor(side / 2), 1, 1).data;
    const light = (r + g + b) / 3;
    if (light > 80 && light < 176) return -1;
    if (light >= 176) value += 2 ** bit;
  }
  return value;
}`;
