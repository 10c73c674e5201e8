//! Who asks: basic authentication (RFC 7617), or tokens from the server that the registry names (distribution's "Token
//! Authentication Specification" and its OAuth 2 part).

use std::time::{Duration, Instant};

use http_auth::parser::ChallengeParser;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Client, RegistryError, WWW_AUTHENTICATE, bounded, error};
use crate::auth::Credentials;

/// The most bytes of a token server's answer.
const TOKEN_LIMIT: u64 = 1 << 20;

/// How long a token is good if the server does not say.
const VALIDITY: Duration = Duration::from_secs(60);

/// What a request needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// The credentials of one repository's client, and what they brought.
pub(super) struct Tokens {
    credentials: Credentials,
    repository: String,
    /// Further repositories to pull from: those to mount blobs from.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `Basic …`, once the registry has asked for it.
    basic: Option<String>,
    pull: Option<Token>,
    push: Option<Token>,
    also: Vec<String>,
}

struct Token {
    header: String,
    expires: Instant,
}

/// What a registry asks for.
#[derive(Debug)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    pub(super) fn new(credentials: Credentials, repository: String) -> Tokens {
        Tokens { credentials, repository, state: Mutex::default() }
    }

    /// Asks from now on for the right to pull from another repository too.
    pub(super) async fn also(&self, repository: &str) {
        let mut state = self.state.lock().await;
        state.also.push(repository.to_owned());
        state.push = None;
    }

    /// The header for a request, as far as that is known.
    pub(super) async fn authorization(&self, access: Access) -> Option<String> {
        if let Credentials::Bearer(token) = &self.credentials {
            return Some(format!("Bearer {token}"));
        }
        let state = self.state.lock().await;
        // What allows pushing allows pulling.
        let tokens = match access {
            Access::Pull => [&state.pull, &state.push],
            Access::Push => [&state.push, &None],
        };
        let valid = tokens.into_iter().flatten().find(|token| token.expires > Instant::now());
        state.basic.clone().or_else(|| valid.map(|token| token.header.clone()))
    }

    /// Does what the registry asks for in an answer 401; false if nothing can be done.
    pub(super) async fn challenge(&self, client: &Client, access: Access, response: &Response) -> Result<bool, RegistryError> {
        let Some(challenge) = challenge(response) else {
            return Ok(false);
        };
        let mut state = self.state.lock().await;
        match (challenge, &self.credentials) {
            (_, Credentials::Bearer(_)) => Ok(false),
            (Challenge::Basic, Credentials::Basic { user, password }) if state.basic.is_none() => {
                state.basic = Some(basic(user, password));
                Ok(true)
            }
            (Challenge::Basic, _) => Ok(false),
            (Challenge::Bearer { realm, service }, credentials) => {
                let actions = if access == Access::Push { "pull,push" } else { "pull" };
                let mut scopes = vec![format!("repository:{}:{actions}", self.repository)];
                scopes.extend(state.also.iter().map(|repository| format!("repository:{repository}:pull")));
                let token = fetch(client, &realm, service.as_deref(), &scopes, credentials).await?;
                match access {
                    Access::Pull => state.pull = Some(token),
                    Access::Push => state.push = Some(token),
                }
                Ok(true)
            }
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {text}")
}

/// The challenge of an answer, a token's if there are several.
fn challenge(response: &Response) -> Option<Challenge> {
    let mut found = None;
    for value in response.headers().get_all(WWW_AUTHENTICATE) {
        for challenge in ChallengeParser::new(value.to_str().ok()?).flatten() {
            let parameter = |name: &str| {
                let (_, value) = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = parameter("realm")?;
                return Some(Challenge::Bearer { realm, service: parameter("service") });
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
}

/// Asks a token server.
async fn fetch(
    client: &Client,
    realm: &str,
    service: Option<&str>,
    scopes: &[String],
    credentials: &Credentials,
) -> Result<Token, RegistryError> {
    let problem = |problem| RegistryError::TokenServer { realm: realm.to_owned(), problem };
    let token = |source| RegistryError::Token { realm: realm.to_owned(), source: Box::new(source) };
    let mut url = reqwest::Url::parse(realm).map_err(|_| problem("not a URL"))?;
    if client.scheme().await? == "https" && url.scheme() != "https" && client.tls_verify {
        return Err(problem("not https, though the registry is"));
    }
    let mut fields: Vec<(&str, &str)> = service.map(|service| ("service", service)).into_iter().collect();
    let joined = scopes.join(" ");
    let request = match credentials {
        Credentials::Identity(token) => {
            fields.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "hoist"),
                ("refresh_token", token),
                ("scope", &joined),
            ]);
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            client.http.post(url).body(form).header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        }
        _ => {
            fields.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
            url.query_pairs_mut().extend_pairs(&fields);
            client.http.get(url)
        }
    };
    let request = match credentials {
        Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
        _ => request,
    };
    let timeout = client.options.timeout;
    let response = request.timeout(timeout).send().await;
    let response = response.map_err(|source| token(RegistryError::transport(realm, timeout, source)))?;
    if !response.status().is_success() {
        return Err(token(error::of(response, realm.to_owned()).await));
    }
    let body = bounded(response, realm, TOKEN_LIMIT, timeout).await.map_err(token)?;
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| problem("its answer is malformed"))?;
    let value = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
    let value = value.ok_or_else(|| problem("its answer has no token"))?;
    let validity = answer.expires_in.map_or(VALIDITY, Duration::from_secs).min(Duration::from_secs(24 * 3600));
    Ok(Token { header: format!("Bearer {value}"), expires: Instant::now() + validity })
}
