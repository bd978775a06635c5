import { z } from 'zod';

/** Where every resource of this engine lives. */
export interface AccountScope {
  /** As configured, with its letter case and without a final slash. */
  readonly accountId: string;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly account: string;
  readonly location: string;
}

/** `accountId` is an ARM id of a Media Services account, already checked for its form. */
export function accountScope(accountId: string, location: string): AccountScope {
  const [, , subscriptionId = '', , resourceGroup = '', , , , account = ''] = accountId.split('/');
  return { accountId, subscriptionId, resourceGroup, account, location };
}

/** Who made a call, from its token. */
export interface Caller {
  readonly id: string;
}

/** Kept with every resource. Times are ISO 8601 in UTC. */
export const auditRecord = {
  name: z.string(),
  created: z.string(),
  lastModified: z.string(),
  createdBy: z.string(),
  lastModifiedBy: z.string(),
};

interface Audit {
  readonly created: string;
  readonly lastModified: string;
  readonly createdBy: string;
  readonly lastModifiedBy: string;
}

export function newAudit(caller: Caller, nowIso: string): Audit {
  return { created: nowIso, lastModified: nowIso, createdBy: caller.id, lastModifiedBy: caller.id };
}

export function touchedAudit(caller: Caller, nowIso: string): Pick<Audit, 'lastModified' | 'lastModifiedBy'> {
  return { lastModified: nowIso, lastModifiedBy: caller.id };
}

/** `systemData` of a single-resource answer; lists do not carry it (reference §1.1). */
export function systemData(record: Audit): object {
  return {
    createdBy: record.createdBy,
    createdByType: 'Application',
    createdAt: record.created,
    lastModifiedBy: record.lastModifiedBy,
    lastModifiedByType: 'Application',
    lastModifiedAt: record.lastModified,
  };
}
