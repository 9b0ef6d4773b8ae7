//! The process itself, from `/proc`: the metrics that every Prometheus client library has.

use std::fs;

/// What `/proc/self` says of this process. A figure that cannot be read is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system time spent, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Virtual memory, in bytes.
    pub virtual_bytes: Option<u64>,
    /// When the process started, in seconds since the Unix epoch.
    pub start_seconds: Option<f64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// The most file descriptors that may be open.
    pub max_files: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Reads `/proc`.
    pub fn read() -> Process {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let open_files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        let max_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Process { open_files, max_files, ..parse(&stat, &boot) }
    }
}

/// Parses `/proc/self/stat` and the boot time in `/proc/stat`; see proc(5).
fn parse(stat: &str, boot: &str) -> Process {
    // The second field is the command in parentheses, and may itself hold spaces and parentheses.
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return Process::default();
    };
    let fields: Vec<u64> =
        rest.split_ascii_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    // Fields are numbered from 1 in proc(5), and the third is the first one here.
    let field = |number: usize| fields.get(number - 3).copied();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as u64;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    Process {
        cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) as f64 / ticks),
        resident_bytes: field(24).map(|pages| pages * page),
        virtual_bytes: field(23),
        start_seconds: field(22).zip(boot).map(|(start, boot)| boot + start as f64 / ticks),
        threads: field(20),
        ..Process::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat =
            "7 (a) b) S 1 7 7 0 -1 4194304 90 0 0 0 250 50 0 0 20 0 3 0 1000 8192 5 18446744073709551615";
        let process = parse(stat, "cpu 1\nbtime 1700000000\n");
        assert_eq!(process.cpu_seconds, Some(300.0 / rustix::param::clock_ticks_per_second() as f64));
        assert_eq!(process.threads, Some(3));
        assert_eq!(process.virtual_bytes, Some(8192));
        assert_eq!(process.resident_bytes, Some(5 * rustix::param::page_size() as u64));
    }

    #[test]
    fn this_process_has_them_all() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 0 && process.open_files.unwrap() > 2);
        assert!(process.start_seconds.unwrap() > 1.6e9 && process.threads.unwrap() > 0);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert_eq!(parse("", ""), Process::default());
    }
}
