// Tries to fetch Microsoft's own Functions host, for `npm start -- --host=azure`, into a folder outside the tree, and
// says for each of its three packages what the NuGet source that dotnet is configured with answered. Nothing else needs it.
import { spawn } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const OUTPUT_BYTES_MAX = 256 * 1024;
const RESTORE_WITHIN_MS = 10 * 60_000;

/** Workloads of the Azure Functions CLI 5: package type FuncCliWorkload, which a PackageReference refuses. */
const PACKAGES = [
  { folder: 'host', id: `Azure.Functions.Cli.Workloads.Host.${platform()}`, version: '4.1048.200-preview.1' },
  { folder: 'worker', id: 'Azure.Functions.Cli.Workloads.Workers.Node', version: '3.13.0-preview.1' },
  { folder: 'bundle', id: 'Azure.Functions.Cli.Workloads.ExtensionBundles', version: '4.35.0' },
];

function platform() {
  const system = { linux: 'linux', darwin: 'osx', win32: 'win' }[process.platform] ?? process.platform;
  return `${system}-${process.arch}`;
}

function targetFolder() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return process.env.HEADEND_AZURE_HOST || path.join(cache, 'headend', 'azure-functions-host');
}

async function main() {
  const target = targetFolder();
  const work = await mkdtemp(path.join(os.tmpdir(), 'headend-azure-host-'));
  try {
    const answers = [];
    for (const wanted of PACKAGES) answers.push({ ...wanted, ...(await fetchPackage(wanted, work)) });
    for (const { id, version, found, answer } of answers) {
      console.log(
        `${found === undefined ? 'not there' : 'fetched  '}  ${id} ${version}${answer ? `: ${answer}` : ''}`,
      );
    }
    if (answers.some(({ found }) => found === undefined)) {
      console.log(`\nMicrosoft's host was not fetched; ${target} is as it was.`);
      process.exitCode = 1;
      return;
    }
    for (const { folder, found } of answers) await install(found, path.join(target, folder));
    console.log(`\nMicrosoft's host is in ${target}: npm start -- --host=azure uses it.`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** One project per package, so that each has an answer of its own. */
async function fetchPackage({ folder, id, version }, work) {
  const project = path.join(work, folder);
  await mkdir(project);
  await writeFile(
    path.join(project, 'fetch.csproj'),
    `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageDownload Include="${id}" Version="[${version}]" /></ItemGroup>
</Project>
`,
  );
  const packages = path.join(project, 'packages');
  const { code, output } = await run('dotnet', ['restore', '--packages', packages, '--nologo'], project);
  const found = path.join(packages, id.toLowerCase(), version);
  const isThere = await access(found).then(
    () => true,
    () => false,
  );
  if (code === 0 && isThere) return { found, answer: '' };
  const said =
    output.split('\n').find((line) => /error/i.test(line)) ?? output.trim().split('\n').at(-1) ?? '';
  return {
    found: undefined,
    answer: said
      .replace(/^.*?error\s*/i, '')
      .replace(/\s*\[[^\]]*\]\s*$/, '')
      .trim(),
  };
}

async function install(from, to) {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from))
    await cp(path.join(from, name), path.join(to, name), { recursive: true });
}

function run(command, args, cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), RESTORE_WITHIN_MS);
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-OUTPUT_BYTES_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({
        code: 1,
        output: `error ${error.code === 'ENOENT' ? 'dotnet is not installed' : error.message}`,
      });
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

await main();
