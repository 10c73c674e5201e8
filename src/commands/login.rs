//! `--creds`: who asks a registry, with a password that is typed if it is not given.

use std::io;
use std::str::FromStr;
use std::sync::OnceLock;

use hoist_oci::Credentials;

/// `USER[:PASSWORD]`.
#[derive(Clone)]
pub struct Login {
    user: String,
    /// Given, or typed once.
    password: OnceLock<String>,
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Login").field(&self.user).finish()
    }
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("want USER:PASSWORD, or USER to be asked for the password")]
    NoUser,
    #[error(
        "the password of {user} cannot be asked for without a terminal ({source}); pass --creds {user}:PASSWORD or --authfile"
    )]
    NoTerminal { user: String, source: io::Error },
    #[error("no password for {user} was typed")]
    Empty { user: String },
}

impl FromStr for Login {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Login, LoginError> {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (user, OnceLock::from(password.to_owned())),
            None => (text, OnceLock::new()),
        };
        match user.is_empty() {
            true => Err(LoginError::NoUser),
            false => Ok(Login { user: user.to_owned(), password }),
        }
    }
}

impl Login {
    /// The credentials; the first time a password that was not given is asked for on the terminal, and does not appear there.
    ///
    /// # Errors
    /// There is no terminal, or nothing was typed.
    pub fn credentials(&self) -> Result<Credentials, LoginError> {
        let password = match self.password.get() {
            Some(password) => password,
            None => {
                let typed = self.ask()?;
                self.password.get_or_init(|| typed)
            }
        };
        Ok(Credentials::Basic { user: self.user.clone(), password: password.clone() })
    }

    fn ask(&self) -> Result<String, LoginError> {
        let user = self.user.clone();
        let typed = rpassword::prompt_password(format!("Password for {user}: "));
        match typed {
            Err(source) => Err(LoginError::NoTerminal { user, source }),
            Ok(password) if password.is_empty() => Err(LoginError::Empty { user }),
            Ok(password) => Ok(password),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords() {
        let credentials = |text: &str| text.parse::<Login>().and_then(|login| login.credentials()).expect("given");
        let basic = |user: &str, password: &str| Credentials::Basic { user: user.into(), password: password.into() };
        assert_eq!(credentials("u:p:q"), basic("u", "p:q"));
        assert_eq!(credentials("u:"), basic("u", ""));
        assert!(matches!(":p".parse::<Login>(), Err(LoginError::NoUser)));
        assert!(!format!("{:?}", "u:secret".parse::<Login>()).contains("secret"));
    }
}
