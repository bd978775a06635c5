export const AGGREGATIONS = ['Average', 'Minimum', 'Maximum', 'Total', 'Count'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

export interface MetricDefinition {
  readonly name: string;
  readonly displayName: string;
  readonly description: string;
  readonly unit: 'Bytes' | 'BitsPerSecond' | 'Count' | 'MilliSeconds' | 'Percent' | 'Seconds';
  readonly primaryAggregation: Aggregation;
  readonly dimensions: readonly string[];
}

/** A type of resource that has metrics. */
export interface MetricNamespace {
  readonly name: string;
  readonly metrics: readonly MetricDefinition[];
}

const metric = (
  name: string,
  [displayName, description]: readonly [string, string],
  unit: MetricDefinition['unit'],
  primaryAggregation: Aggregation,
  dimensions: readonly string[] = [],
): MetricDefinition => ({ name, displayName, description, unit, primaryAggregation, dimensions });

const FORMAT = 'OutputFormat';
const TRACK = ['TrackName'];

/** As Azure Monitor has them; `JobsQueued` and `JobsProcessing` are ours. */
export const ACCOUNT_METRICS: MetricNamespace = {
  name: 'Microsoft.Media/mediaservices',
  metrics: [
    metric('AssetCount', ['Asset count', 'How many assets there are in the account.'], 'Count', 'Average'),
    metric('AssetQuota', ['Asset quota', 'How many assets the account may have.'], 'Count', 'Average'),
    metric(
      'AssetQuotaUsedPercentage',
      ['Asset quota used percentage', 'How much of the asset quota is used.'],
      'Percent',
      'Average',
    ),
    metric(
      'ChannelsAndLiveEventsCount',
      ['Live event count', 'How many live events there are in the account.'],
      'Count',
      'Average',
    ),
    metric(
      'RunningChannelsAndLiveEventsCount',
      ['Running live event count', 'How many live events are running.'],
      'Count',
      'Average',
    ),
    metric(
      'MaxChannelsAndLiveEventsCount',
      ['Max live event quota', 'How many live events the account may have.'],
      'Count',
      'Average',
    ),
    metric('JobQuota', ['Job quota', 'How many jobs the account may have.'], 'Count', 'Average'),
    metric('JobsScheduled', ['Jobs Scheduled', 'Jobs in the state Scheduled.'], 'Count', 'Average'),
    metric('JobsQueued', ['Jobs queued', 'Jobs in the state Queued.'], 'Count', 'Average'),
    metric('JobsProcessing', ['Jobs processing', 'Jobs in the state Processing.'], 'Count', 'Average'),
  ],
};

export const LIVE_EVENT_METRICS: MetricNamespace = {
  name: 'Microsoft.Media/mediaservices/liveEvents',
  metrics: [
    metric(
      'IngestBitrate',
      ['Live Event ingest bitrate', 'What arrives from the encoder, in bits per second.'],
      'BitsPerSecond',
      'Average',
      TRACK,
    ),
    metric(
      'IngestDriftValue',
      ['Live Event ingest drift value', 'How much later media comes with each minute, in seconds.'],
      'Seconds',
      'Maximum',
      TRACK,
    ),
    metric(
      'IngestLastTimestamp',
      ['Live Event ingest last timestamp', 'The newest timestamp that the encoder has sent.'],
      'MilliSeconds',
      'Maximum',
      TRACK,
    ),
  ],
};

export const STREAMING_ENDPOINT_METRICS: MetricNamespace = {
  name: 'Microsoft.Media/mediaservices/streamingEndpoints',
  metrics: [
    metric(
      'CPU',
      ['CPU usage', 'How busy the serving processes are: 100 is a processor core for each.'],
      'Percent',
      'Average',
    ),
    metric('Egress', ['Egress', 'Bytes that were sent.'], 'Bytes', 'Total', [FORMAT]),
    metric(
      'EgressBandwidth',
      ['Egress bandwidth', 'What is sent, in bits per second.'],
      'BitsPerSecond',
      'Average',
    ),
    metric('Requests', ['Requests', 'Requests that were answered.'], 'Count', 'Total', [
      FORMAT,
      'HttpStatusCode',
      'ErrorCode',
    ]),
    metric(
      'SuccessE2ELatency',
      ['Success end to end Latency', 'How long requests took that were answered with success.'],
      'MilliSeconds',
      'Average',
      [FORMAT],
    ),
  ],
};
