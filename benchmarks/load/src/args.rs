//! The command line: a mode, then `--name value` pairs.

use std::collections::HashMap;
use std::str::FromStr;

use crate::Result;

/// What was asked for.
pub struct Args {
    /// The first word.
    pub mode: String,
    values: HashMap<String, String>,
}

impl Args {
    /// Reads the process's own command line.
    pub fn from_command_line() -> Result<Self> {
        let mut words = std::env::args().skip(1);
        let mode = words.next().ok_or("name a mode; README.md lists them")?;
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| format!("expected --NAME, not {word:?}"))?;
            let value = words
                .next()
                .ok_or_else(|| format!("--{name} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self { mode, values })
    }

    /// The text of an option.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The text of an option that must be given.
    pub fn needed(&self, name: &str) -> Result<&str> {
        self.text(name)
            .ok_or_else(|| format!("mode {} needs --{name}", self.mode))
    }

    /// A number, or what holds without it.
    pub fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| format!("--{name} {text:?} is not such a number")),
        }
    }

    /// Hexadecimal bytes.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.text(name).map(hex).transpose()
    }

    /// 32 hexadecimal bytes.
    pub fn key(&self, name: &str) -> Result<Option<[u8; 32]>> {
        let Some(bytes) = self.bytes(name)? else {
            return Ok(None);
        };
        let length = bytes.len();
        match <[u8; 32]>::try_from(bytes) {
            Ok(key) => Ok(Some(key)),
            Err(_) => Err(format!("--{name} has {length} bytes, not 32")),
        }
    }

    /// The core to run on.
    pub fn core(&self) -> Result<Option<usize>> {
        self.text("core")
            .map(|_| self.number("core", 0))
            .transpose()
    }

    /// Filters in order: of `--filter HEX`, and one for each line of `--filters FILE`.
    pub fn filters(&self) -> Result<Vec<Vec<u8>>> {
        let mut filters: Vec<Vec<u8>> = self.bytes("filter")?.into_iter().collect();
        if let Some(path) = self.text("filters") {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            for line in text.lines().filter(|line| !line.is_empty()) {
                filters.push(hex(line)?);
            }
        }
        if filters.is_empty() {
            return Err(format!("mode {} needs --filter or --filters", self.mode));
        }
        Ok(filters)
    }
}

fn hex(text: &str) -> Result<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return Err(format!("{text:?} is not hexadecimal"));
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| format!("{text:?} is not hexadecimal"))
}
