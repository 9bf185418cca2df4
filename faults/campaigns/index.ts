/**
 * Campaigns: all of them, in the order in which they are shown.
 */
export const CAMPAIGN_NAMES = [
  'kill',
  'owners',
  'power',
  'network',
  'disk',
  'rot',
  'clock',
  'simulation',
  'hostile',
] as const;

export type CampaignName = (typeof CAMPAIGN_NAMES)[number];
