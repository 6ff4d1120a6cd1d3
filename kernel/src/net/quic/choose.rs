//! The form of certificates, chosen for each ClientHello.
//!
//! A TLS configuration speaks one form in each direction and is given to
//! quinn before it has seen the ClientHello. So what quinn gets is a session
//! that gathers the ClientHello and then becomes the one that fits it.

use std::any::Any;
use std::sync::Arc;

use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;

use super::settings::HANDSHAKE_BYTES;
use crate::net::certificate::Key;
use crate::net::tls::{Form, ServerConfigs, forms_of, key_shown};

/// The first byte of a ClientHello.
const CLIENT_HELLO: u8 = 1;
/// Its header: type and length (u24).
const HELLO_HEADER: usize = 4;
/// The greatest TLS record.
const RECORD: usize = 16_384;

/// What a listener speaks: one configuration for each pair of forms.
pub struct Chooser([[Arc<QuicServerConfig>; 2]; 2]);

impl Chooser {
    /// Makes them for the listener's own key.
    pub fn new(seed: &[u8; 32]) -> Result<Self, rustls::Error> {
        let configs = ServerConfigs::new(seed)?;
        let one = |own: Form, peer: Form| {
            let mut config = (**configs.pair(own, peer)).clone();
            // Nobody resumes, and QUIC needs no bytes after the handshake.
            config.send_tls13_tickets = 0;
            QuicServerConfig::try_from(config)
                .map(Arc::new)
                .map_err(|error| rustls::Error::General(error.to_string()))
        };
        let [certificate, raw] = [Form::Certificate, Form::Raw];
        Ok(Self([
            [one(certificate, certificate)?, one(certificate, raw)?],
            [one(raw, certificate)?, one(raw, raw)?],
        ]))
    }

    fn any(&self) -> &Arc<QuicServerConfig> {
        let [[first, _], _] = &self.0;
        first
    }

    fn config(&self, own: Form, peer: Form) -> Arc<QuicServerConfig> {
        Arc::clone(&self.0[own as usize][peer as usize])
    }

    /// The forms that a whole ClientHello asks for: of our key, and of the client's.
    /// One that can't be read is left to be refused by the session for certificates.
    fn forms(hello: &[u8]) -> (Form, Form) {
        let mut acceptor = Acceptor::default();
        for part in hello.chunks(RECORD) {
            let [high, low] = (part.len() as u16).to_be_bytes();
            let record = [&[0x16, 3, 1, high, low], part].concat();
            if acceptor.read_tls(&mut &record[..]).is_err() {
                break;
            }
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => forms_of(&accepted.client_hello()),
            Ok(None) | Err(_) => (Form::Certificate, Form::Certificate),
        }
    }
}

impl ServerConfig for Chooser {
    fn initial_keys(
        &self,
        version: u32,
        dst_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        ServerConfig::initial_keys(&**self.any(), version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        ServerConfig::retry_tag(&**self.any(), version, orig_dst_cid, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn Session> {
        Box::new(Choosing::Gathering(Box::new(Gathering {
            chooser: self,
            version,
            params: *params,
            hello: Vec::new(),
        })))
    }
}

/// A session whose ClientHello is not whole.
struct Gathering {
    chooser: Arc<Chooser>,
    version: u32,
    params: TransportParameters,
    hello: Vec<u8>,
}

impl Gathering {
    /// Whether what came is a whole ClientHello, or none at all.
    fn is_decided(&self) -> Result<bool, TransportError> {
        let Some([kind, high, middle, low]) = self.hello.first_chunk::<HELLO_HEADER>() else {
            return Ok(false);
        };
        let total = HELLO_HEADER + u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        if *kind == CLIENT_HELLO && total.max(self.hello.len()) > HANDSHAKE_BYTES {
            return Err(TransportError {
                code: TransportErrorCode::CRYPTO_BUFFER_EXCEEDED,
                frame: None,
                reason: format!("the ClientHello is longer than {HANDSHAKE_BYTES} bytes"),
            });
        }
        Ok(*kind != CLIENT_HELLO || self.hello.len() >= total)
    }

    fn start(&self) -> (Box<dyn Session>, Form) {
        let (own, peer) = Chooser::forms(&self.hello);
        let config = self.chooser.config(own, peer);
        (config.start_session(self.version, &self.params), peer)
    }
}

/// The session that quinn sees.
enum Choosing {
    Gathering(Box<Gathering>),
    /// And the form in which the client shows its key.
    Chosen(Box<dyn Session>, Form),
}

impl Choosing {
    fn chosen(&self) -> Option<&dyn Session> {
        match self {
            Self::Gathering(_) => None,
            Self::Chosen(session, _) => Some(&**session),
        }
    }

    fn chosen_mut(&mut self) -> Option<&mut dyn Session> {
        match self {
            Self::Gathering(_) => None,
            Self::Chosen(session, _) => Some(&mut **session),
        }
    }
}

impl Session for Choosing {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        match self {
            Self::Chosen(session, _) => session.initial_keys(dst_cid, side),
            Self::Gathering(gathering) => {
                let any = Arc::clone(gathering.chooser.any());
                any.start_session(gathering.version, &gathering.params)
                    .initial_keys(dst_cid, side)
            }
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.chosen()?.handshake_data()
    }

    /// A `Key`, if the client has proven one.
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        let Self::Chosen(session, form) = self else {
            return None;
        };
        let key = proven_key(session.peer_identity()?, *form)?;
        Some(Box::new(key))
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.chosen().is_none_or(Session::is_handshaking)
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let gathering = match self {
            Self::Chosen(session, _) => return session.read_handshake(bytes),
            Self::Gathering(gathering) => gathering,
        };
        gathering.hello.extend_from_slice(bytes);
        if !gathering.is_decided()? {
            return Ok(false);
        }
        let (mut session, form) = gathering.start();
        let ready = session.read_handshake(&gathering.hello);
        *self = Self::Chosen(session, form);
        ready
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.chosen()
            .map_or(Ok(None), Session::transport_parameters)
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        self.chosen_mut()?.write_handshake(out)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.chosen_mut()?.next_1rtt_keys()
    }

    /// Servers get none.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.chosen()
            .ok_or(ExportKeyingMaterialError)?
            .export_keying_material(output, label, context)
    }
}

/// The key in what a finished handshake of rustls says of the peer.
pub fn proven_key(identity: Box<dyn Any>, form: Form) -> Option<Key> {
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    key_shown(form, chain.first()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use rustls::quic::{ClientConnection, Version};

    use super::*;
    use crate::net::tls::{Expected, Witness, client_config, server_name};

    const SERVER: [u8; 32] = [1; 32];

    fn params() -> TransportParameters {
        TransportParameters::read(Side::Client, &mut &[][..]).unwrap()
    }

    fn session() -> Box<dyn Session> {
        Arc::new(Chooser::new(&SERVER).unwrap()).start_session(1, &params())
    }

    fn hello(server: Form, own: Form) -> Vec<u8> {
        let expected = Expected {
            key: None,
            form: server,
            witness: Witness::default(),
        };
        let config = client_config(expected, Some(&[2; 32]), own).unwrap();
        let name = server_name().unwrap();
        let mut client = ClientConnection::new(config, Version::V1, name, Vec::new()).unwrap();
        let mut hello = Vec::new();
        client.write_hs(&mut hello);
        hello
    }

    #[test]
    fn the_forms_are_those_of_the_client_hello() {
        for own in [Form::Certificate, Form::Raw] {
            for peer in [Form::Certificate, Form::Raw] {
                assert_eq!(Chooser::forms(&hello(own, peer)), (own, peer));
            }
        }
        for broken in [&[][..], &[1, 0, 0, 0], &[1, 0, 0, 2, 3, 3], &[1; 20_000]] {
            assert_eq!(
                Chooser::forms(broken),
                (Form::Certificate, Form::Certificate)
            );
        }
    }

    #[test]
    fn a_client_hello_may_come_in_any_pieces() {
        for piece in [1, 3, 100, 10_000] {
            let mut session = session();
            let hello = hello(Form::Raw, Form::Certificate);
            let mut answer = Vec::new();
            for bytes in hello.chunks(piece) {
                assert!(answer.is_empty() && session.is_handshaking());
                session.read_handshake(bytes).unwrap();
                while session.write_handshake(&mut answer).is_some() {}
            }
            assert!(answer.len() > 100, "pieces of {piece}");
            assert!(session.peer_identity().is_none());
        }
    }

    #[test]
    fn a_client_hello_that_announces_too_much_is_refused_at_once() {
        let error = session()
            .read_handshake(&[1, 0xff, 0xff, 0xff])
            .unwrap_err();
        assert_eq!(error.code, TransportErrorCode::CRYPTO_BUFFER_EXCEEDED);
        let most = (HANDSHAKE_BYTES - HELLO_HEADER) as u32;
        let [_, high, middle, low] = (most + 1).to_be_bytes();
        assert!(session().read_handshake(&[1, high, middle, low]).is_err());
        let [_, high, middle, low] = most.to_be_bytes();
        assert!(session().read_handshake(&[1, high, middle, low]).is_ok());
    }

    #[test]
    fn what_is_no_client_hello_is_refused() {
        for broken in [&[2, 0, 0, 0][..], &[1, 0, 0, 2, 3, 3], &[0x47; 300]] {
            assert!(session().read_handshake(broken).is_err());
        }
    }
}
