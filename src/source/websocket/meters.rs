//! What the source measures, beside what every source does.

use crate::model::family::FamilyKind;
use crate::telemetry::Meter;

const fn meter(
    name: &'static str,
    help: &'static str,
    kind: FamilyKind,
    label: Option<&'static str>,
) -> Meter {
    Meter { name, help, kind, label }
}

/// Connections that are open.
pub static CONNECTIONS: Meter = meter(
    "streamgauge_websocket_connections",
    "Connections that are open and have sent what is to be sent first.",
    FamilyKind::Gauge,
    None,
);

/// Connections that were opened.
pub static CONNECTS: Meter =
    meter("streamgauge_websocket_connects_total", "Connections that were opened.", FamilyKind::Counter, None);

/// Why connecting again was needed.
pub static RECONNECTS: Meter = meter(
    "streamgauge_websocket_reconnects_total",
    "Connections that were lost and attempts that failed; another attempt follows each.",
    FamilyKind::Counter,
    Some("cause"),
);

/// The time without a connection.
pub static GAP: Meter = meter(
    "streamgauge_websocket_gap_seconds_total",
    "Time in which nothing could be received, of all connections together.",
    FamilyKind::Counter,
    None,
);

/// Holes in the numbering.
pub static MISSED: Meter = meter(
    "streamgauge_websocket_missed_messages_total",
    "Messages that are missing by the numbers in those that came.",
    FamilyKind::Counter,
    None,
);

/// Numbers that did not grow.
pub static RESETS: Meter = meter(
    "streamgauge_websocket_sequence_resets_total",
    "Times that the number in a message was not above the one before.",
    FamilyKind::Counter,
    None,
);

/// All of them.
pub static ALL: &[&Meter] = &[&CONNECTIONS, &CONNECTS, &RECONNECTS, &GAP, &MISSED, &RESETS];
