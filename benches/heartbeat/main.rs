//! A FIX TestRequest and its Heartbeat over a veth: our engine on net_af_xdp, and the kernel's sockets that never
//! wait, in turns, asked by the same client over the same pair.
//!
//! ```text
//! heartbeat FIXWIRE     FIXWIRE is the program, built with the feature `dpdk`; as root
//! ```

mod busy_poll;
mod client;
mod kernel;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use client::Client;

const ADDR: &str = "10.9.0.2";
const PORT: u16 = 9878;
const CLIENT_CORE: &str = "0";
const SERVER_CORE: &str = "1";
/// Turns of each server, and what it is asked in one.
const TURNS: usize = 24;
const ASKED: u32 = 5_000;
const WARM_UP: u32 = 500;

const SESSION: &str = r#"
[network]
address = "10.9.0.2/24"
[[session]]
connection_type = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "EXCHANGE"
target_comp_id = "FIXWIRE"
socket_accept_port = 9878
"#;
const PROFILE: &str = "extends = \"af_xdp\"\n[engine]\nidle = \"spin\"\n";

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// Ours, on net_af_xdp.
    Fixwire,
    /// The kernel's sockets; the pair's ends hand frames over by NAPI, which SO_BUSY_POLL looks at.
    BusyPoll,
    /// The same, and the ends hand frames over by the backlog, at which nothing can look.
    Backlog,
}

impl Server {
    const ALL: [Server; 3] = [Server::Fixwire, Server::BusyPoll, Server::Backlog];

    const fn name(self) -> &'static str {
        match self {
            Server::Fixwire => "fixwire on net_af_xdp",
            Server::BusyPoll => "kernel sockets, SO_BUSY_POLL on NAPI",
            Server::Backlog => "kernel sockets, SO_BUSY_POLL, no NAPI",
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["inside", fixwire] => inside(fixwire),
        ["kernel", at] => {
            at.parse().map_err(|error| format!("{at}: {error}")).and_then(kernel::serve)
        }
        [fixwire] => alone(fixwire),
        _ => Err("usage: heartbeat FIXWIRE".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Once more in network and PID namespaces of its own: whatever is left running ends with it.
fn alone(fixwire: &str) -> Result<(), String> {
    let own = ["-npmf", "--mount-proc", "--kill-child", "taskset", "-c", CLIENT_CORE];
    run(Command::new("unshare").args(own).arg(ourselves()?).args(["inside", fixwire]))
}

fn ourselves() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("who am I? {error}"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

fn inside(fixwire: &str) -> Result<(), String> {
    let pair = Pair::new()?;
    let mut turns: [Vec<Turn>; 3] = Default::default();
    for _ in 0..TURNS {
        for (server, turns) in Server::ALL.into_iter().zip(&mut turns) {
            pair.set_for(server)?;
            let mut running = pair.start(server, fixwire)?;
            let outcome = ask();
            let _ = Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
            let _ = running.wait();
            turns.push(outcome.map_err(|error| format!("{}: {error}", server.name()))?);
        }
    }
    print!("{}", table(&turns));
    Ok(())
}

/// Round trips of a turn, in ns.
struct Turn {
    least: u64,
    p50: u64,
    p99: u64,
}

fn ask() -> Result<Turn, String> {
    let at = format!("{ADDR}:{PORT}").parse().map_err(|error| format!("{error}"))?;
    let mut client = Client::log_on(at)?;
    let mut taken = Vec::with_capacity(ASKED as usize);
    for number in 0..WARM_UP + ASKED {
        let time = client.ask(number)?.as_nanos() as u64;
        if number >= WARM_UP {
            taken.push(time);
        }
    }
    client.log_out()?;
    taken.sort_unstable();
    let at = |percent: usize| taken[taken.len() * percent / 100];
    Ok(Turn { least: at(0), p50: at(50), p99: at(99) })
}

/// A veth pair: the client's end here, the server's in a namespace of its own.
struct Pair {
    there: Child,
    folder: PathBuf,
}

impl Pair {
    fn new() -> Result<Pair, String> {
        let mut sleep = Command::new("unshare");
        sleep.args(["-n", "--kill-child", "-f", "sleep", "1d"]);
        let there = sleep.spawn().map_err(|error| format!("{sleep:?}: {error}"))?;
        std::thread::sleep(std::time::Duration::from_millis(300));
        let folder = std::env::temp_dir().join(format!("heartbeat-{}", std::process::id()));
        let pair = Pair { there, folder };
        fs::create_dir_all(&pair.folder).map_err(|error| error.to_string())?;
        for (name, text) in [("session.toml", SESSION), ("profile.toml", PROFILE)] {
            fs::write(pair.folder.join(name), text).map_err(|error| error.to_string())?;
        }
        pair.shell(&format!(
            "ip link add v1 type veth peer name v0 netns {} && ip link set lo up \
             && ip addr add 10.9.0.1/24 dev v1 && ip link set v1 up",
            pair.there.id()
        ))?;
        pair.there("ip link set lo up && ip link set v0 up")?;
        Ok(pair)
    }

    fn shell(&self, line: &str) -> Result<(), String> {
        run(Command::new("sh").args(["-ec", line]).stdout(Stdio::null()))
    }

    fn there(&self, line: &str) -> Result<(), String> {
        run(self.over_there().args(["sh", "-ec", line]).stdout(Stdio::null()))
    }

    fn over_there(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.there.id().to_string(), "-n", "--"]);
        command
    }

    /// Gives each server the pair as it is fastest on it. net_af_xdp has no offload, so that the client's kernel
    /// must finish its sums; the kernel's sockets need none.
    fn set_for(&self, server: Server) -> Result<(), String> {
        let tx = if server == Server::Fixwire { "off" } else { "on" };
        let gro = if server == Server::Backlog { "off" } else { "on" };
        self.shell(&format!("ethtool -K v1 tx {tx} gro {gro}; ip neigh flush dev v1"))?;
        let addr = if server == Server::Fixwire { "flush" } else { "replace 10.9.0.2/24" };
        self.there(&format!("ethtool -K v0 gro {gro}; ip addr {addr} dev v0"))
    }

    fn start(&self, server: Server, fixwire: &str) -> Result<Child, String> {
        let mut command = self.over_there();
        command.args(["taskset", "-c", SERVER_CORE]);
        if server == Server::Fixwire {
            let file = |name: &str| self.folder.join(name).display().to_string();
            command.args([
                fixwire,
                "accept",
                "--app",
                "echo",
                "--nic",
                "dpdk:net_af_xdp0,iface=v0",
            ]);
            command.args(["--session", &file("session.toml"), "--profile", &file("profile.toml")]);
        } else {
            command.arg(ourselves()?).args(["kernel", &format!("{ADDR}:{PORT}")]);
        }
        command.stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let stdout = child.stdout.take().ok_or("its output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let listens = lines.any(|line| line.contains("listening"));
        std::thread::spawn(move || lines.for_each(drop));
        if listens { Ok(child) } else { Err(format!("{command:?} does not listen")) }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = self.there.kill();
        let _ = self.there.wait();
    }
}

/// Markdown, as the README has it: of the turns' figures the medians, and of all the least.
fn table(turns: &[Vec<Turn>; 3]) -> String {
    let mut text =
        "| who answers a TestRequest | least, µs | p50, µs | p99, µs | p50, times ours |\n\
                    | --- | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for (server, theirs) in Server::ALL.into_iter().zip(turns) {
        let us = |of: fn(&Turn) -> u64| sorted(theirs.iter().map(|turn| of(turn) as f64 / 1e3));
        let (least, p50, p99) = (us(|turn| turn.least), us(|turn| turn.p50), us(|turn| turn.p99));
        // Each against ours of the same round.
        let ours = turns[0].iter();
        let ratios = sorted(theirs.iter().zip(ours).map(|(t, o)| t.p50 as f64 / o.p50 as f64));
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {:.2} |",
            server.name(),
            least[0],
            p50[TURNS / 2],
            p99[TURNS / 2],
            ratios[TURNS / 2],
        );
    }
    text
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}
