//! Leads the calls by which the DHT crate's sockets send and receive through `dht::meter`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg=-Wl,--wrap=sendto,--wrap=recvfrom");
    }
}
