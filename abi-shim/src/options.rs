//! What the host tells the component besides the guest's arguments: the variables of [`environment`]. All others are the guest's.

use hoist_x86::boundary::environment;
use hoist_x86::run_options::{OptionError, Tmpfs, host_line, ip_address, size};

/// The options and the guest's own variables, as the host gives them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Options {
    pub entrypoint: Option<String>,
    pub cwd: Option<String>,
    pub user: Option<String>,
    pub hostname: Option<String>,
    /// Rows and columns of the host's terminal, which sends bytes as they are typed, and messages among them.
    pub terminal: Option<[u16; 2]>,
    /// Standard input tells of signals: [`hoist_x86::boundary::signal_input`].
    pub signals: bool,
    /// Bytes that programs may have to write to.
    pub memory: Option<u64>,
    pub tmpfs: Vec<Tmpfs>,
    /// Paths of a granted `/` that show through.
    pub volumes: Vec<String>,
    /// Lines of hosts(5).
    pub hosts: String,
    /// Lines of resolv.conf(5) in the place of the image's.
    pub resolver: String,
    pub read_only: bool,
    pub trace_syscalls: bool,
    /// Each block that is interpreted, by its address.
    pub trace_blocks: bool,
    pub stats: bool,
    /// Who called whom, when a signal that dumps core elsewhere ends a process.
    pub backtrace: bool,
    pub exact_floats: bool,
    /// Arguments that replace the image's command; `None` if there are none.
    pub args: Option<Vec<String>>,
    /// Variables over the image's.
    pub env: Vec<(String, String)>,
}

impl Options {
    /// From the host's arguments, whose first is the program's name, and its environment.
    ///
    /// # Errors
    /// For what docker would not take either.
    pub fn new(arguments: Vec<String>, variables: Vec<(String, String)>) -> Result<Options, OptionError> {
        let mut options = Options::default();
        let args: Vec<String> = arguments.into_iter().skip(1).collect();
        options.args = Some(args).filter(|args| !args.is_empty());
        for (name, value) in variables {
            match name.as_str() {
                environment::ENTRYPOINT => options.entrypoint = Some(value),
                environment::CWD => options.cwd = Some(value),
                environment::USER => options.user = Some(value),
                environment::HOSTNAME => options.hostname = Some(value),
                environment::TERMINAL => options.terminal = terminal_size(&value),
                environment::SIGNALS => options.signals = value == "1",
                environment::MEMORY => options.memory = Some(size(&value)?),
                environment::TMPFS => options.tmpfs = value.lines().map(Tmpfs::parse).collect::<Result<_, _>>()?,
                environment::VOLUMES => options.volumes = value.split(':').map(str::to_owned).collect(),
                environment::ADD_HOST => options.hosts = value.lines().map(host_line).collect::<Result<_, _>>()?,
                environment::DNS => {
                    let line = |address| Ok(format!("nameserver {}\n", ip_address(address)?));
                    options.resolver = value.lines().map(line).collect::<Result<_, _>>()?;
                }
                environment::READ_ONLY => options.read_only = value == "1",
                environment::TRACE => {
                    let traces = |wanted| value.split(',').any(|what| what == wanted);
                    (options.trace_syscalls, options.trace_blocks) = (traces("syscalls"), traces("blocks"));
                }
                environment::EXACT => options.exact_floats = value == "1",
                environment::STATS => options.stats = value == "1",
                environment::BACKTRACE => options.backtrace = value == "1",
                _ => options.env.push((name, value)),
            }
        }
        Ok(options)
    }
}

/// `ROWSxCOLUMNS`.
fn terminal_size(text: &str) -> Option<[u16; 2]> {
    let (rows, columns) = text.split_once('x')?;
    Some([rows.parse().ok()?, columns.parse().ok()?])
}
