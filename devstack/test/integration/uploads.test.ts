import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BlobServiceClient,
  type ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Broker, openBroker } from '../../src/broker/broker.ts';
import { readBrokerSettings } from '../../src/broker/broker-settings.ts';
import type { Log } from '../../src/log.ts';
import { BlobEvents } from '../../src/uploads/blob-events.ts';
import { startBlobProxy } from '../../src/uploads/blob-proxy.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { eventually } from '../support/programs.ts';
import { Endpoint } from '../support/webhook-endpoint.ts';

const ACCOUNT_TOPIC = '/subscriptions/x/providers/Microsoft.Media/mediaservices/headend';
const STORAGE_TOPIC = '/subscriptions/x/providers/Microsoft.Storage/storageAccounts/devstoreaccount1';
const KEY = Buffer.from('a key for publishers and no other').toString('base64');
const PAGE = 'http://127.0.0.1:8080';
const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let azurite: Azurite;
let broker: Broker;
let endpoint: Endpoint;
let events: BlobEvents;
let proxy: Server;
let dataDir: string;

const portOf = (server: { address(): AddressInfo | string | null }): number => {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};
const close = async (server: Server | undefined): Promise<void> => {
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
};
const storagePort = (): number => Number(/BlobEndpoint=[^;]*:(\d+)\//.exec(azurite.connectionString)?.[1]);
/** The account as clients know it: at the proxy. */
const throughProxy = (): string =>
  azurite.connectionString.replace(`:${storagePort()}/`, `:${portOf(proxy)}/`);
const toProxy = (upstreamPort: number): Promise<Server> =>
  startBlobProxy({ port: 0, upstreamPort, origins: [PAGE], onDone: () => undefined, log: QUIET });

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headend-uploads-'));
  azurite = await startAzurite();
  endpoint = new Endpoint();
  await endpoint.open();
  const variables = {
    HEADEND_BROKER_PORT: '0',
    HEADEND_BROKER_DATA: dataDir,
    HEADEND_EVENTGRID_KEY: KEY,
    HEADEND_EVENTGRID_TOPIC: ACCOUNT_TOPIC,
    HEADEND_BROKER_OTHER_TOPICS: STORAGE_TOPIC,
  };
  broker = await openBroker(readBrokerSettings({}, variables), QUIET, () => undefined);
  const at = `http://127.0.0.1:${broker.port}`;
  events = new BlobEvents({
    storage: azurite.connectionString,
    endpoint: `${at}/api/events`,
    key: KEY,
    topic: STORAGE_TOPIC,
    log: QUIET,
  });
  proxy = await startBlobProxy({
    port: 0,
    upstreamPort: storagePort(),
    origins: [PAGE],
    onDone: (operation) => events.tell(operation),
    log: QUIET,
  });
  const subscribed = await fetch(`${at}/eventSubscriptions/uploads`, {
    method: 'PUT',
    headers: { 'aeg-sas-key': KEY, 'content-type': 'application/json' },
    body: JSON.stringify({
      properties: {
        destination: { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } },
        filter: {
          includedEventTypes: ['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobDeleted'],
          subjectBeginsWith: '/blobServices/default/containers/upload-',
        },
      },
    }),
  });
  expect(subscribed.status).toBe(201);
}, 90_000);

afterAll(async () => {
  await close(proxy);
  await events?.close();
  await broker?.close();
  await endpoint?.close();
  await azurite?.close();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

/** A container, with a client that knows only a SAS to create and write, as uploaders get it. */
async function uploadContainer(name: string): Promise<{ owner: ContainerClient; uploader: ContainerClient }> {
  const owner = BlobServiceClient.fromConnectionString(throughProxy()).getContainerClient(name);
  await owner.create();
  const { credential } = owner;
  if (!(credential instanceof StorageSharedKeyCredential)) throw new Error('no key');
  const sas = generateBlobSASQueryParameters(
    {
      containerName: name,
      permissions: ContainerSASPermissions.parse('cw'),
      expiresOn: new Date(Date.now() + 600_000),
    },
    credential,
  );
  const service = new BlobServiceClient(`${owner.url.replace(`/${name}`, '')}?${sas}`);
  return { owner, uploader: service.getContainerClient(name) };
}

const told = (subjectEnd: string) =>
  eventually(() =>
    endpoint.delivered
      .flatMap(({ events: list }) => list)
      .find(({ subject }) => String(subject).endsWith(subjectEnd)),
  );

describe('what clients upload', () => {
  it('is stored as it is, in blocks, and told once it is whole, in the words of a storage account', async () => {
    const { owner, uploader } = await uploadContainer('upload-a');
    const bytes = Buffer.alloc(9 * 1024 * 1024, 'headend');
    const blob = uploader.getBlockBlobClient('fêtes/film 1.mp4');
    await blob.uploadData(bytes, {
      blockSize: 2 * 1024 * 1024,
      concurrency: 3,
      maxSingleShotSize: 1024,
      blobHTTPHeaders: { blobContentType: 'video/mp4' },
    });
    const { etag } = await owner.getBlobClient('fêtes/film 1.mp4').getProperties();
    const stored = await owner.getBlobClient('fêtes/film 1.mp4').downloadToBuffer();
    expect(stored.equals(bytes)).toBe(true);
    expect(await told('film 1.mp4')).toEqual({
      id: expect.any(String),
      topic: STORAGE_TOPIC,
      subject: '/blobServices/default/containers/upload-a/blobs/fêtes/film 1.mp4',
      eventType: 'Microsoft.Storage.BlobCreated',
      eventTime: expect.any(String),
      dataVersion: '',
      metadataVersion: '1',
      data: {
        api: 'PutBlockList',
        clientRequestId: expect.any(String),
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        eTag: etag?.replaceAll('"', ''),
        contentType: 'video/mp4',
        contentLength: bytes.length,
        blobType: 'BlockBlob',
        url: `http://127.0.0.1:${portOf(proxy)}/devstoreaccount1/upload-a/f%C3%AAtes/film%201.mp4`,
        sequencer: expect.stringMatching(/^[0-9A-F]{32}$/),
        storageDiagnostics: { batchId: expect.any(String) },
      },
    });
  }, 60_000);

  it('is told in order: put whole, copied, deleted; and nothing of other containers, failures or mere blocks', async () => {
    const { owner, uploader } = await uploadContainer('upload-b');
    const other = await uploadContainer('asset-b');
    await other.uploader.getBlockBlobClient('x').upload('x', 1);
    await uploader.getBlockBlobClient('blocks-only').stageBlock(btoa('0001'), 'x', 1);
    await expect(uploader.getBlockBlobClient('whole').delete()).rejects.toMatchObject({ statusCode: 403 });
    await owner.getAppendBlobClient('log').create();
    await uploader.getBlockBlobClient('whole').upload('whole', 5);
    const copied = owner.getBlockBlobClient('copied');
    await (await copied.beginCopyFromURL(owner.getBlobClient('whole').url)).pollUntilDone();
    await owner.getBlobClient('whole').delete();
    await told('copied');
    const last = await eventually(() => {
      const all = endpoint.delivered.flatMap(({ events: list }) => list);
      return all.some(({ eventType }) => eventType === 'Microsoft.Storage.BlobDeleted') ? all : undefined;
    });
    const seen = last
      .filter(({ subject }) => /containers\/(upload|asset)-b\//.test(String(subject)))
      .map(({ subject, data }) => [
        String(subject).split('/').at(-1),
        Object(data).api,
        Object(data).sequencer,
      ]);
    expect(seen.map(([blob, api]) => [blob, api])).toEqual([
      ['whole', 'PutBlob'],
      ['copied', 'CopyBlob'],
      ['whole', 'DeleteBlob'],
    ]);
    const sequencers = seen.map(([, , sequencer]) => sequencer);
    expect(sequencers).toEqual([...sequencers].sort());
  }, 60_000);

  it('may come from the live page’s browser, and from no other page', async () => {
    const { uploader } = await uploadContainer('upload-c');
    const ask = (origin: string) =>
      fetch(uploader.getBlobClient('film').url, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'content-type,x-ms-blob-type',
        },
      });
    const ours = await ask(PAGE);
    expect([ours.status, ours.headers.get('access-control-allow-headers')]).toEqual([
      200,
      'content-type,x-ms-blob-type',
    ]);
    expect((await ask('http://elsewhere.example')).headers.get('access-control-allow-origin')).toBeNull();
    const put = (origin: string) =>
      fetch(uploader.getBlobClient('film').url, {
        method: 'PUT',
        headers: { origin, 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2024-11-04' },
        body: 'film',
      });
    const stored = await put(PAGE);
    expect([stored.status, stored.headers.get('access-control-allow-origin')]).toEqual([201, PAGE]);
    expect((await put('http://elsewhere.example')).headers.get('access-control-allow-origin')).toBeNull();
  }, 30_000);
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly continued: boolean;
}

/** A PUT that waits to be told to go on, and says whether it was. */
function putAfterContinue(port: number, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let continued = false;
    const headers = { expect: '100-continue', 'content-length': Buffer.byteLength(body) };
    const sent = httpRequest(
      { host: '127.0.0.1', port, path: '/a/c/b', method: 'PUT', headers },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text, continued }));
      },
    );
    sent.once('continue', () => {
      continued = true;
      sent.end(body);
    });
    sent.once('error', reject);
  });
}

describe('the proxy before the blob port', () => {
  it('asks the storage whether a body may come, and hands its refusal on', async () => {
    const storage = createHttpServer((request, response) =>
      request.resume().once('end', () => response.end('kept')),
    );
    storage.listen(0, '127.0.0.1');
    const refusing = createHttpServer();
    refusing.on('checkContinue', (_request, response) => response.writeHead(409).end('no'));
    refusing.listen(0, '127.0.0.1');
    await eventually(() => (storage.listening && refusing.listening ? true : undefined));
    const servers = [await toProxy(portOf(storage)), await toProxy(portOf(refusing))];
    const [kept, refused] = await Promise.all(
      servers.map((server) => putAfterContinue(portOf(server), 'body')),
    );
    expect([kept, refused]).toEqual([
      { status: 200, text: 'kept', continued: true },
      { status: 409, text: 'no', continued: false },
    ]);
    await Promise.all([...servers, storage, refusing].map(close));
  }, 30_000);

  it('says so when there is no storage, whatever is being sent', async () => {
    const gone = createHttpServer().listen(0, '127.0.0.1');
    await eventually(() => (gone.listening ? true : undefined));
    const port = portOf(gone);
    await close(gone);
    const server = await toProxy(port);
    const response = await fetch(`http://127.0.0.1:${portOf(server)}/a/c/b`, {
      method: 'PUT',
      body: Buffer.alloc(8 * 1024 * 1024),
    });
    expect([response.status, response.headers.get('x-ms-error-code')]).toEqual([502, 'StorageUnreachable']);
    expect(await response.text()).toContain('does not answer (ECONNREFUSED)');
    await close(server);
  }, 30_000);

  it('takes no more than a storage that does not read, and lets go of it when the client does', async () => {
    const sockets: Socket[] = [];
    const storage = createTcpServer((socket) => {
      socket.pause().on('error', () => undefined);
      sockets.push(socket);
    });
    await new Promise<void>((resolve) => storage.listen(0, '127.0.0.1', resolve));
    const server = await toProxy(portOf(storage));
    const before = process.memoryUsage().arrayBuffers;
    const block = Buffer.alloc(1024 * 1024);
    const sent = httpRequest({ host: '127.0.0.1', port: portOf(server), path: '/a/c/b', method: 'PUT' });
    sent.on('error', () => undefined);
    let written = 0;
    let isStalled = false;
    while (!isStalled) {
      isStalled = !sent.write(block) && !(await drainsWithin(sent, 1000));
      written += 1;
      expect(written).toBeLessThan(200);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(sockets).toHaveLength(1);
    const [socket] = sockets;
    const closed = new Promise((resolve) => socket?.once('close', resolve));
    sent.destroy();
    socket?.resume();
    await closed;
    await close(server);
    await new Promise((resolve) => storage.close(resolve));
  }, 60_000);
});

function drainsWithin(sent: ReturnType<typeof httpRequest>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    sent.once('drain', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
