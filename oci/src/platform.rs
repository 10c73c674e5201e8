//! Platforms: which of the images behind one name is meant.

use std::fmt;
use std::str::FromStr;

/// An operating system and an architecture, in the words of Go, as `--platform` takes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
pub struct Platform {
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A string is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a platform: want OS/ARCH or OS/ARCH/VARIANT, as in linux/amd64")]
pub struct PlatformError(String);

impl Platform {
    /// What hoist lifts.
    pub fn linux_amd64() -> Platform {
        Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None }
    }

    /// How well an image for `self` serves somebody who asked for `wanted`; lower is better, `None` is not
    /// at all. A variant that was not asked for ranks by its name, so that amd64 comes before amd64/v2, v3.
    pub(crate) fn rank(&self, wanted: &Platform) -> Option<&str> {
        let variant = self.variant.as_deref().unwrap_or_default();
        let fits = self.os == wanted.os
            && self.architecture == wanted.architecture
            && wanted.variant.as_deref().is_none_or(|wanted| wanted == variant);
        fits.then_some(variant)
    }

    /// True for `unknown/unknown`, under which builders file attestations beside the images.
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl Default for Platform {
    fn default() -> Platform {
        Platform::linux_amd64()
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let mut parts = text.split('/');
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let (os, architecture, variant) = (next(), next(), next());
        let is_whole = text.split('/').all(|part| !part.is_empty()) && parts.next().is_none();
        let (Some(os), Some(architecture), true) = (os, architecture, is_whole) else {
            return Err(PlatformError(text.to_owned()));
        };
        // The names uname(2) gives, which people type: docker normalises them the same way.
        let architecture = match architecture.as_str() {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            _ => architecture,
        };
        Ok(Platform { os, architecture, variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_and_shown() {
        for (text, shown) in [("linux/amd64", "linux/amd64"), ("linux/x86_64", "linux/amd64"), ("linux/arm/v7", "linux/arm/v7")] {
            assert_eq!(text.parse::<Platform>().map(|p| p.to_string()).as_deref(), Ok(shown));
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/arm/"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranked() {
        let wanted = Platform::linux_amd64();
        let rank = |text: &str| text.parse::<Platform>().unwrap().rank(&wanted).map(str::to_owned);
        assert_eq!(rank("linux/arm64"), None);
        assert_eq!(rank("windows/amd64"), None);
        assert!(rank("linux/amd64") < rank("linux/amd64/v2"));
        assert!(rank("linux/amd64/v2") < rank("linux/amd64/v3"));
    }
}
