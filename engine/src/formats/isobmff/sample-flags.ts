/** ISO/IEC 14496-12 §8.8.3.1. */
export const SYNC_SAMPLE_FLAGS = 0x0200_0000; // sample_depends_on = 2: on no other
export const NON_SYNC_SAMPLE_FLAGS = 0x0101_0000; // sample_depends_on = 1, sample_is_non_sync_sample
export const IS_NON_SYNC_FLAG = 0x0001_0000;

export const TFHD_BASE_DATA_OFFSET = 0x000001;
export const TFHD_SAMPLE_DESCRIPTION_INDEX = 0x000002;
export const TFHD_DEFAULT_DURATION = 0x000008;
export const TFHD_DEFAULT_SIZE = 0x000010;
export const TFHD_DEFAULT_FLAGS = 0x000020;
export const TFHD_DEFAULT_BASE_IS_MOOF = 0x020000;

export const TRUN_DATA_OFFSET = 0x000001;
export const TRUN_FIRST_SAMPLE_FLAGS = 0x000004;
export const TRUN_DURATIONS = 0x000100;
export const TRUN_SIZES = 0x000200;
export const TRUN_FLAGS = 0x000400;
export const TRUN_COMPOSITION_OFFSETS = 0x000800;

/** `tfxd`, [MS-SSTR] §2.2.4.4: the fragment's absolute time and duration. */
export const TFXD_USER_TYPE = '6d1d9b0542d544e680e2141daff757b2';
/** `tfrf`, [MS-SSTR] §2.2.4.5: the same of the fragments that follow. */
export const TFRF_USER_TYPE = 'd4807ef2ca3946958e5426cb9e46a79f';

/** Ten minutes of 100 samples a second. */
export const SAMPLES_PER_FRAGMENT_MAX = 60_000;
