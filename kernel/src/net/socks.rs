//! A SOCKS5 proxy (RFC 1928) that connects for us, and resolves the name as well.

use std::fmt;

use tokio::net::TcpStream;
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;
use zeroize::Zeroizing;

/// Where a proxy is, and who we are to it.
pub struct Proxy {
    /// A name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// User and password, if it is to ask.
    pub login: Option<(String, Zeroizing<String>)>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} port {}", self.host, self.port)
    }
}

/// Has the proxy at the other end connect to a host and port; in words why it does not.
pub async fn ask(
    stream: &mut TcpStream,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), String> {
    let target = (host, port);
    let connected = match &proxy.login {
        None => Socks5Stream::connect_with_socket(stream, target).await,
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await
        }
    };
    match connected {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{proxy} {}", refusal(&error))),
    }
}

/// Why the proxy does not do it, as the end of a sentence about it.
fn refusal(error: &Error) -> String {
    let words = match error {
        Error::HostUnreachable => "does not reach or know that host",
        Error::NetworkUnreachable => "does not reach that network",
        Error::ConnectionRefused => "was refused there: nobody listens at that port",
        Error::TtlExpired => "gave up: the way there is too long or took too long",
        Error::ConnectionNotAllowedByRuleset => "does not allow this connection",
        Error::GeneralSocksServerFailure => "failed to connect, and does not say why",
        Error::CommandNotSupported => "does not connect to anything",
        Error::AddressTypeNotSupported => "does not take this kind of address",
        Error::NoAcceptableAuthMethods => "wants us to log in: give it a user and password",
        Error::PasswordAuthFailure(_) => "does not take our user and password",
        Error::InvalidResponseVersion
        | Error::UnknownAuthMethod
        | Error::InvalidReservedByte
        | Error::UnknownAddressType => "does not speak SOCKS5",
        Error::InvalidAuthValues(reason) => {
            return format!("can't be given this user and password: {reason}");
        }
        Error::InvalidTargetAddress(reason) => {
            return format!("can't be asked for this host: {reason}");
        }
        Error::Io(error) => return format!("broke off: {error}"),
        other => return format!("refused: {other}"),
    };
    words.to_owned()
}
