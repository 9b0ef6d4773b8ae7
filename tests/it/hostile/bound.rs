//! The memory that the hostile stream may make the program hold: the table of `docs/limits.md`, in figures.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const WORKERS: u64 = 2;

/// The buffers that may wait for a worker, and the used ones that are kept.
const QUEUE: u64 = (4 + 8) * MIB;

/// A batch: a line of the greatest length and two blocks.
const BATCH: u64 = MIB + 2 * 256 * KIB;

/// The program without any input, with the allocator's own.
const PROGRAM: u64 = 24 * MIB;

/// The series of a pipeline's metrics, the overflow series among them: four of 300, two of 20, one without labels.
const SERIES: u64 = 4 * 301 + 2 * 21 + 1;

/// A label value as text, with what its allocation and the tables around it take.
const LABEL: u64 = KIB + 256;

/// The sketches of a series at their largest: 2 signs × 2,048 buckets of 8 bytes, for each of 11 parts of the window, one
/// for the sum of all, one of each worker.
const SKETCHES: u64 = (11 + 1 + WORKERS) * 2 * 2048 * 8;

/// The same for `hdr` from 1 to a million with 2 digits: 14 powers of two above 256, of 128 buckets of 8 bytes.
const HDR: u64 = (11 + 1 + WORKERS) * (14 + 2) * 128 * 8;

/// What is shown of a pipeline: of each series its lines, of which a histogram of 11 buckets has 14, a summary of 3
/// quantiles 5. A label value doubles if all of it is escaped.
const PAGE: u64 = (3 * 301 + 14 * 301 + 2 * 5 * 21) * (2 * KIB + 100);

/// What `docs/limits.md` adds up.
pub fn bytes(pipelines: u64) -> u64 {
    let input = WORKERS * (QUEUE + BATCH) + pipelines * 2 * BATCH;
    let arenas = WORKERS * pipelines * 2 * BATCH;
    // One copy for the ledger, one for the directory and one in each worker's table, whose storage doubles when it grows.
    let keys = SERIES * LABEL * (1 + 2 + 2 * WORKERS);
    let cells = 21 * (SKETCHES + HDR) + SERIES * 512 * (1 + WORKERS);
    // One page is made while the one before is sent.
    PROGRAM + input + arenas + pipelines * (keys + cells + 2 * PAGE)
}

#[test]
fn the_docs_have_the_same_figure() {
    let docs = include_str!("../../../docs/limits.md");
    let figure = format!("**{} MiB**", bytes(5) / MIB);
    assert!(docs.contains(&figure), "docs/limits.md does not say {figure}");
}
