//! The UDP sockets that connections still need though nobody listens on them or dials from them any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::Endpoint;
use tokio::time::timeout;

use super::peer::{CUT, DONE};
use crate::net::lock;
use crate::net::shared::Shared;

/// How long the last words of all connections may take at the very end.
const GOODBYE: Duration = Duration::from_millis(50);

/// Sockets that are kept until their last connection is gone.
#[derive(Default)]
pub struct Endpoints(Mutex<HashMap<u64, Endpoint>>);

/// Keeps one as long as it has connections. To be called inside of the runtime.
pub fn keep(shared: &Arc<Shared>, endpoint: Endpoint) {
    let (shared, number) = (Arc::clone(shared), shared.number());
    lock(&shared.endpoints.0).insert(number, endpoint.clone());
    tokio::spawn(async move {
        endpoint.wait_idle().await;
        lock(&shared.endpoints.0).remove(&number);
    });
}

impl Endpoints {
    /// Ends all connections and tells their peers; whether they had heard all is what `proper` says.
    pub async fn goodbye(&self, proper: bool) {
        let code = if proper { DONE } else { CUT };
        let endpoints: Vec<Endpoint> = lock(&self.0).drain().map(|(_, one)| one).collect();
        for endpoint in &endpoints {
            endpoint.close(code, b"");
        }
        let all_idle = async {
            for endpoint in &endpoints {
                endpoint.wait_idle().await;
            }
        };
        // Whoever has not heard it by then notices by our silence.
        let _ = timeout(GOODBYE, all_idle).await;
    }
}
