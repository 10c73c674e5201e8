//! What the host tells the component besides the guest's arguments: the variables of [`environment`]. All others are the guest's.

use hoist_x86::boundary::environment;

/// The options and the guest's own variables, as the host gives them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Options {
    pub entrypoint: Option<String>,
    pub cwd: Option<String>,
    pub user: Option<String>,
    pub hostname: Option<String>,
    /// Rows and columns of the host's terminal, which sends bytes as they are typed, and messages among them.
    pub terminal: Option<[u16; 2]>,
    pub trace_syscalls: bool,
    /// Each block that is interpreted, by its address.
    pub trace_blocks: bool,
    pub stats: bool,
    pub exact_floats: bool,
    /// Arguments that replace the image's command; `None` if there are none.
    pub args: Option<Vec<String>>,
    /// Variables over the image's.
    pub env: Vec<(String, String)>,
}

impl Options {
    /// From the host's arguments, whose first is the program's name, and its environment.
    pub fn new(arguments: Vec<String>, variables: Vec<(String, String)>) -> Options {
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
                environment::TRACE => {
                    let traces = |wanted| value.split(',').any(|what| what == wanted);
                    (options.trace_syscalls, options.trace_blocks) = (traces("syscalls"), traces("blocks"));
                }
                environment::EXACT => options.exact_floats = value == "1",
                environment::STATS => options.stats = value == "1",
                _ => options.env.push((name, value)),
            }
        }
        options
    }
}

/// `ROWSxCOLUMNS`.
fn terminal_size(text: &str) -> Option<[u16; 2]> {
    let (rows, columns) = text.split_once('x')?;
    Some([rows.parse().ok()?, columns.parse().ok()?])
}
