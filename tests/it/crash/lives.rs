//! The lives of the program: started, and killed at moments that nobody knows before.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;

use crate::program::{get, streamgauge};

/// Numbers by chance (SplitMix64), from a seed that is printed when the test fails.
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// From `STREAMGAUGE_SEED`, if that is set.
    pub fn new() -> Chance {
        let given = std::env::var("STREAMGAUGE_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| Clock::system().unix().as_nanos() as u64);
        Chance { seed, state: seed }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A time below so many milliseconds.
    pub fn time(&mut self, milliseconds: u64) -> Duration {
        Duration::from_micros(self.below(milliseconds * 1000))
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Written past the test harness, for the case that the panic is not that of the test's own thread.
            writeln!(std::io::stderr(), "STREAMGAUGE_SEED={}", self.seed).ok();
        }
    }
}

/// An address that nobody listens on. Its port is none that the system gives to connections, so that nobody else gets it while
/// the program is dead.
pub fn free_address(chance: &mut Chance) -> String {
    loop {
        let address = format!("127.0.0.1:{}", 20_000 + chance.below(10_000));
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// What is started again and again.
pub struct Program {
    /// Where its pipelines, its state and its log are.
    pub folder: PathBuf,
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Program {
    /// Starts it.
    pub fn start(&self) -> Life {
        let path = |name: &str| self.folder.join(name);
        let log = File::options().append(true).create(true).open(path("program.log")).unwrap();
        let child = streamgauge()
            .arg("run")
            .arg(path("pipelines"))
            .arg("--state.dir")
            .arg(path("state"))
            .args(["--web.listen-address", &self.address])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Life { child, log: path("program.log"), address: self.address.clone() }
    }

    /// Starts it, and waits until it serves.
    pub fn start_and_serve(&self) -> Life {
        let mut life = self.start();
        life.wait_until_it_serves();
        life
    }
}

/// One life of the program, which ends by `kill -9`.
pub struct Life {
    child: Child,
    log: PathBuf,
    address: String,
}

impl Life {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it serves, or panics after a minute.
    #[track_caller]
    pub fn wait_until_it_serves(&mut self) {
        let pause = Shutdown::new();
        for _ in 0..12_000 {
            if get(&self.address, "/-/healthy", "").is_ok() {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended by itself, {ended:?}: {}", self.log());
            pause.wait(Duration::from_millis(5));
        }
        panic!("it does not serve: {}", self.log());
    }

    /// Kills it. It must have lived until then.
    #[track_caller]
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {}", self.log());
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Writes a pipeline file.
pub fn write_pipeline(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder.join("pipelines")).unwrap();
    fs::write(folder.join("pipelines").join(name), text).unwrap();
}
