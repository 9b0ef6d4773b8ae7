//! How fast messages are taken from Kafka: the whole program, which decodes nothing, beside the wrapper's own loop.
//!
//! ```sh
//! cargo bench --bench kafka              # 1.5 million messages of 200 bytes by each codec, five rounds
//! cargo bench --bench kafka -- --smoke   # 80,000, one round: does it work, is every message counted
//! ```
//!
//! The brokers are librdkafka's mock cluster, in this process. `streamgauge run` and a consumer that calls
//! `BaseConsumer::poll` for each message are processes of their own and take turns. What is shown is processor time
//! from the start until everything is counted: of the thread that consumes, and of the whole process, with the thread
//! of librdkafka that fetches and unpacks. The cluster's is not in it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;

/// The argument by which this program is told to be the reference.
const REFERENCE: &str = "--reference";

/// So many that the mock cluster, which keeps 5 MB of each, keeps all messages.
const PARTITIONS: i32 = 72;

const MESSAGE_BYTES: usize = 200;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [flag, brokers, topic, count, ..] = arguments.as_slice()
        && flag == REFERENCE
    {
        read_one_by_one(brokers, topic, count.parse().expect("a number of messages"));
        return ExitCode::SUCCESS;
    }
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let (count, rounds) = if smoke { (80_000, 1) } else { (1_500_000, 5) };
    let cluster = MockCluster::new(1).expect("a mock cluster can be started");
    let brokers = cluster.bootstrap_servers();
    say(&format!("{count} messages of {MESSAGE_BYTES} bytes, {PARTITIONS} partitions, rounds: {rounds}"));
    say(&format!(
        "{:26} {:>16} {:>16} {:>10} {:>8}",
        "", "messages/s of it", "of the process", "CPU s", "wall s"
    ));
    for codec in ["none", "lz4", "zstd"] {
        cluster.create_topic(codec, PARTITIONS, 1).expect("the cluster takes topics");
        produce(&brokers, codec, count);
        let mut runs = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            runs[0].push(ours(&brokers, codec, count, round));
            runs[1].push(reference(&brokers, codec, count));
        }
        for (name, runs) in ["streamgauge run", "BaseConsumer::poll"].into_iter().zip(&runs) {
            let [thread, process, wall] = [0, 1, 2].map(|at| median(runs, |run| run[at]));
            let [of_thread, of_process] = [thread, process].map(|seconds| count as f64 / seconds);
            let name = format!("{name}, {codec}");
            say(&format!("{name:26} {of_thread:>16.0} {of_process:>16.0} {process:>10.3} {wall:>8.3}"));
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to print")]
fn say(text: &str) {
    println!("{text}");
}

/// The messages: text of a log, of which no two are the same.
fn produce(brokers: &str, codec: &str, count: u64) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("compression.codec", codec).set("linger.ms", "20");
    let producer: BaseProducer = config.create().expect("the settings are valid");
    let filler =
        "order accepted and handed to the warehouse, parcel label printed, confirmation sent by mail, "
            .repeat(3);
    for number in 0..count {
        let mut text = format!("{number:012} customer={:06} {filler}", number * 7919 % 1_000_000);
        text.truncate(MESSAGE_BYTES);
        let partition = (number % PARTITIONS as u64) as i32;
        let mut record = BaseRecord::<(), str>::to(codec).payload(&text).partition(partition);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(1));
            record = back;
        }
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(10));
    }
}

fn config(brokers: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group).set("auto.offset.reset", "earliest");
    config.set("enable.auto.offset.store", "false").set("fetch.wait.max.ms", "100");
    config
}

/// What the reference does: says when it has seen all messages, and waits to be measured.
fn read_one_by_one(brokers: &str, topic: &str, count: u64) {
    let consumer: BaseConsumer =
        config(brokers, &std::process::id().to_string()).create().expect("the settings are valid");
    consumer.subscribe(&[topic]).expect("the topic has a valid name");
    let mut seen = 0;
    while seen < count {
        if let Some(Ok(_)) = consumer.poll(Duration::from_millis(100)) {
            seen += 1;
        }
    }
    say("done");
    std::io::stdin().read_exact(&mut [0]).ok();
    std::process::exit(0);
}

fn reference(brokers: &str, topic: &str, count: u64) -> Run {
    let clock = Clock::system();
    let own = std::env::current_exe().expect("the system knows which program this is");
    let mut command = Command::new(own);
    command
        .args([REFERENCE, brokers, topic, &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("this program can be started again");
    let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
    out.read_line(&mut String::new()).expect("the reference says when it is done");
    // What consumes is its first thread, which has the number of the process.
    let measured = measure(&child, |number, _| number == child.id(), &clock);
    end(child);
    measured
}

fn ours(brokers: &str, topic: &str, count: u64, round: usize) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("messages.yaml");
    let pipeline = format!(
        "source: {{kafka: {{brokers: '{brokers}', topics: {topic}, group: {topic}-{round}}}}}
metrics:
  - counter: {{name: messages_total, help: Messages.}}
"
    );
    fs::write(&path, pipeline).expect("the folder is ours");
    let clock = Clock::system();
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamgauge"));
    command.arg("run").arg(&path).args(["--web.listen-address", "127.0.0.1:0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program can be started");
    let mut log = BufReader::new(child.stderr.take().expect("it was asked for"));
    let mut line = String::new();
    while !line.contains("serving metrics") {
        line.clear();
        assert!(log.read_line(&mut line).is_ok_and(|read| read > 0), "the program ended");
    }
    let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let address = address.expect("the program says where it serves").to_owned();
    let pause = Shutdown::new();
    let counted = loop {
        let counted = total(&address);
        if counted >= count {
            break counted;
        }
        assert!(clock.monotonic() < Duration::from_secs(120), "{counted} of {count} messages were counted");
        pause.wait(Duration::from_millis(100));
    };
    assert_eq!(counted, count);
    let measured = measure(&child, |_, name| name == "source", &clock);
    end(child);
    measured
}

/// What `/metrics` says of the counter.
fn total(address: &str) -> u64 {
    let mut stream = TcpStream::connect(address).expect("the program serves");
    write!(stream, "GET /metrics?name[]=messages_total HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        .expect("the program listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the program answers");
    let sample = answer.lines().find_map(|line| line.strip_prefix("messages_total "));
    sample.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Seconds: of the consuming thread, of the whole process, of the clock.
type Run = [f64; 3];

/// What a process has taken until now; `consumes` knows its consuming thread by number or name.
fn measure(child: &Child, consumes: impl Fn(u32, &str) -> bool, clock: &Clock) -> Run {
    let wall = clock.monotonic().as_secs_f64();
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).expect("the process is there");
    let (mut consumer, mut process) = (0, 0);
    for thread in threads {
        let path = thread.expect("the folder can be read").path();
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let (head, behind) = stat.rsplit_once(')').expect("proc(5) has the name in parentheses");
        let (number, name) = head.split_once(" (").expect("proc(5) has the number before it");
        let ticks = behind.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("proc(5) has numbers there")).sum();
        process += ticks;
        if consumes(number.parse().expect("it is a number"), name) {
            consumer += ticks;
        }
    }
    let seconds = |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    [seconds(consumer), seconds(process), wall]
}

fn end(mut child: Child) {
    child.kill().expect("the process is there");
    child.wait().expect("the process is ours");
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<_> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
