// What only the tests need beyond npm's packages: a browser, FFmpeg as an encoder and an independent reader, GStreamer as
// another encoder, and PocketSphinx with somebody who reads aloud. Where it may (root on a Debian-like system) it installs them; elsewhere it says what to type.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const GSTREAMER = ['gstreamer1.0-tools', 'gstreamer1.0-plugins-good', 'gstreamer1.0-plugins-bad'];
const gstreamerElement = (name) => ({
  name: `GStreamer's ${name}`,
  isThere: () => succeeds('gst-inspect-1.0', ['--exists', name]),
  debianPackages: GSTREAMER,
});
const program = (name, debianPackage) => ({
  name,
  isThere: () => isOnPath(name),
  debianPackages: [debianPackage],
});

const data = (name, path, debianPackage) => ({
  name,
  isThere: () => existsSync(path),
  debianPackages: [debianPackage],
});

const TOOLS = [
  program('chromium', 'chromium'),
  program('ffmpeg', 'ffmpeg'),
  program('ffprobe', 'ffmpeg'),
  program('varnishd', 'varnish'),
  program('gst-launch-1.0', GSTREAMER[0]),
  program('pocketsphinx_continuous', 'pocketsphinx'),
  data('a model for PocketSphinx', '/usr/share/pocketsphinx/model/en-us/en-us.lm.bin', 'pocketsphinx-en-us'),
  data('test data of PocketSphinx', '/usr/share/pocketsphinx/test/data/librivox', 'pocketsphinx-testdata'),
  ...['flvmux', 'openh264enc', 'voaacenc', 'rtmp2sink', 'rtmpsink'].map(gstreamerElement),
];

/** Makes sure the tools are on the PATH; resolves to the ones that are still missing, with what to type for them. */
export function installTestTools() {
  const missing = TOOLS.filter((tool) => !tool.isThere());
  if (missing.length === 0) return { missing: [], hint: undefined };
  const packages = [...new Set(missing.flatMap(({ debianPackages }) => debianPackages))];
  const mayInstall = process.getuid?.() === 0 && isOnPath('apt-get');
  if (mayInstall) {
    console.log(`installing ${packages.join(', ')} from the system's packages (for tests only)`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const install = () =>
      spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env,
      });
    if (install().status !== 0) {
      // A fresh image has no package lists yet.
      spawnSync('apt-get', ['update'], { stdio: ['ignore', 'ignore', 'inherit'], env });
      install();
    }
  }
  return {
    missing: TOOLS.filter((tool) => !tool.isThere()).map(({ name }) => name),
    hint: `sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`,
  };
}

function isOnPath(command) {
  return succeeds(process.platform === 'win32' ? 'where' : 'which', [command]);
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { missing, hint } = installTestTools();
  if (missing.length > 0) {
    console.error(`missing: ${missing.join(', ')}. Install them with:\n  ${hint}`);
    process.exitCode = 1;
  }
}
