//! Options of `hoist run` about the machine that the guest sees, as `docker run` has them.

use clap::Args;
use hoist_x86::boundary::environment;
use hoist_x86::run_options::{OptionError, Tmpfs, host_line, ip_address, size};

use super::{Failure, OWN_FAILURE};

/// What the guest's machine is like.
#[derive(Args, Debug, Default)]
pub struct Machine {
    /// The most memory that programs may have to write to; more is ENOMEM
    #[arg(short, long, value_name = "BYTES[b|k|m|g]")]
    memory: Option<String>,

    /// Mount an empty filesystem in memory
    #[arg(long, value_name = "PATH[:OPTIONS]")]
    tmpfs: Vec<String>,

    /// Add a line to /etc/hosts
    #[arg(long, value_name = "NAME:IP")]
    add_host: Vec<String>,

    /// Name servers for /etc/resolv.conf, in the place of the image's
    #[arg(long, value_name = "IP")]
    dns: Vec<String>,

    /// Nothing of the root filesystem can be changed
    #[arg(long)]
    read_only: bool,
}

/// As docker: with less no container starts.
const MEMORY_MIN: u64 = 6 << 20;

impl Machine {
    /// As the kernel is told.
    ///
    /// # Errors
    /// What docker would not take either.
    pub fn variables(&self) -> Result<Vec<(String, String)>, Failure> {
        let invalid = |error: OptionError| Failure::new(OWN_FAILURE, error.to_string());
        let memory = self.memory.as_deref().map(size).transpose().map_err(invalid)?;
        if memory.is_some_and(|memory| memory < MEMORY_MIN) {
            return Err(Failure::new(OWN_FAILURE, "minimum memory limit allowed is 6MB"));
        }
        self.tmpfs.iter().try_for_each(|text| Tmpfs::parse(text).map(drop)).map_err(invalid)?;
        self.add_host.iter().try_for_each(|text| host_line(text).map(drop)).map_err(invalid)?;
        self.dns.iter().try_for_each(|text| ip_address(text).map(drop)).map_err(invalid)?;
        let mut variables = Vec::new();
        let mut set = |name: &str, value: String| {
            if !value.is_empty() {
                variables.push((name.to_owned(), value));
            }
        };
        set(environment::MEMORY, memory.map_or_else(String::new, |memory| memory.to_string()));
        set(environment::TMPFS, self.tmpfs.join("\n"));
        set(environment::ADD_HOST, self.add_host.join("\n"));
        set(environment::DNS, self.dns.join("\n"));
        set(environment::READ_ONLY, if self.read_only { "1".into() } else { String::new() });
        Ok(variables)
    }
}
