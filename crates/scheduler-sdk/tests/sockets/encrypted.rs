//! TLS with an authority of one's own.

use crate::master::Master;
use crate::{next, settings};
use proffer_scheduler_sdk::{Driver, Ended, Event};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// TLS in front of a master, with a certificate for `localhost`; its port, and the PEM of whom to trust.
async fn in_front_of(master: &Master) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), master.address);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us goes away.
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let mut plain = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut socket, &mut plain).await;
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test]
async fn only_a_master_of_the_given_authority_is_trusted() {
    let mut master = Master::start().await;
    let (port, pem) = in_front_of(&master).await;
    let file = std::env::temp_dir().join(format!("authority-{}.pem", std::process::id()));
    std::fs::write(&file, pem).unwrap();
    let mut settings = settings(&format!("https://localhost:{port}"));
    settings.tls.ca_file = Some(file.clone());
    let (scheduler, mut events) = Driver::start(&settings).unwrap();
    assert!(matches!(next(&mut events).await, Event::Subscribed(_)));
    scheduler.revive(vec![]).await.unwrap();
    scheduler.stop().await;
    while master.seen_now().is_some() {}
    settings.patience = Some(Duration::from_millis(300));
    // The certificate is not for the address, and not of an authority that is trusted anyway.
    for (host, ca_file) in [("127.0.0.1", Some(file.clone())), ("localhost", None)] {
        settings.masters = vec![format!("https://{host}:{port}").parse().unwrap()];
        settings.tls.ca_file = ca_file;
        let (_scheduler, mut events) = Driver::start(&settings).unwrap();
        let ended = events.next().await;
        assert!(matches!(ended, Err(Ended::NoMaster { .. })), "{ended:?}");
    }
    assert!(master.seen_now().is_none());
    std::fs::remove_file(&file).unwrap();
}
