import type { LocatorView } from './delivery-directory.ts';
import type { CrossSitePolicies } from './endpoint-view.ts';
import { OriginError } from './origin-errors.ts';
import type { Content } from './origin-response.ts';

const PATH =
  /^(?:\/(?<locatorId>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?\/(?<file>clientaccesspolicy|crossdomain)\.xml$/i;

export interface CrossSitePath {
  /** Undefined at the root: the streaming endpoint's own. */
  readonly locatorId: string | undefined;
  readonly file: keyof CrossSitePolicies;
}

/** `/clientaccesspolicy.xml` and `/crossdomain.xml` of the endpoint, and both below a preview's locator id. */
export function parseCrossSitePath(path: string): CrossSitePath | undefined {
  const groups = PATH.exec(path)?.groups;
  if (groups === undefined) return undefined;
  const isSilverlight = groups['file']?.toLowerCase() === 'clientaccesspolicy';
  return {
    locatorId: groups['locatorId']?.toLowerCase(),
    file: isSilverlight ? 'clientAccessPolicy' : 'crossDomainPolicy',
  };
}

/** Throws `MPE_RESOURCE_NOT_FOUND` when there is no such policy. */
export function crossSiteContent({ file }: CrossSitePath, of: CrossSitePolicies | undefined): Content {
  const text = of?.[file];
  if (text === undefined) throw new OriginError('MPE_RESOURCE_NOT_FOUND', 'no such cross-site policy');
  return {
    body: new TextEncoder().encode(text),
    contentType: 'text/xml; charset=utf-8',
    cacheControl: 'public, max-age=60',
    entityTag: undefined,
  };
}

/** Only a preview has some of its own: a published asset is under the endpoint's. */
export function crossSiteOfLocator(locator: LocatorView | undefined): CrossSitePolicies | undefined {
  return locator?.kind === 'preview' ? locator.crossSite : undefined;
}
