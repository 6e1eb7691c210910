//! Starting, wiring, restarting, stopping.

use super::*;

#[test]
fn modules_run_wired_and_stop_on_request() {
    let release = Release::install(&format!("{SENDER}{SENSOR}"));
    let run = Run::of(supervisor(&release, HOUR, standing(), unreachable_verifier));
    let readings = release.state().join("modules/sender/readings");
    eventually("readings are passed on", || {
        fs::read_to_string(&readings).ok().filter(|text| text.lines().count() >= 3)
    });
    let observed = status::read(&release.state()).unwrap();
    let running = observed.status.unwrap();
    assert!(observed.is_running && running.trust == Trust::Trusted);
    assert_eq!((running.device.as_str(), running.supervisor.pid), ("ws-0001", std::process::id()));
    let pids = [pid(&release, "sensor"), pid(&release, "sender")];
    assert!(matches!(run.stop(), Ended::OnRequest));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert!(status(&release).modules.iter().all(|m| m.state == ModuleState::Stopped && m.pid.is_none()));
    assert!(!status::read(&release.state()).unwrap().is_running);
    let first = fs::read_to_string(readings).unwrap().lines().next().unwrap().to_owned();
    assert!(first.starts_with(r#"{"time":"#) && first.ends_with('}'), "{first}");
    let log = fs::read_to_string(release.state().join("log/sender.log")).unwrap();
    assert!(log.starts_with("1 lines passed on\n2 lines"), "{log}");
}

#[test]
fn a_source_that_is_done_ends_its_reader() {
    let sensor = SENSOR.replace("\"20\"", "\"1\", \"--count\", \"5\"");
    let release = Release::install(&format!("{sensor}{SENDER}"));
    let ended = Run::of(supervisor(&release, HOUR, standing(), unreachable_verifier)).ended();
    assert!(matches!(ended, Ended::AllDone { refused: 0, failed: 0 }), "{ended}");
    let readings = fs::read_to_string(release.state().join("modules/sender/readings")).unwrap();
    assert_eq!(readings.lines().count(), 5);
    assert!(status(&release).modules.iter().all(|m| m.state == ModuleState::Exited));
}

#[test]
fn a_module_that_keeps_failing_is_given_up() {
    let release = Release::install(&shell("broken", "echo starting >&2; exit 7"));
    let ended = Run::of(supervisor(&release, HOUR, standing(), unreachable_verifier)).ended();
    assert!(matches!(ended, Ended::AllDone { refused: 0, failed: 1 }), "{ended}");
    let module = module(&release, "broken").unwrap();
    assert_eq!((module.state, module.restarts), (ModuleState::Exited, 3));
    assert_eq!(module.reason.unwrap(), "exit code 7; given up after 3 restarts");
    let log = release.state().join("log/broken.log");
    eventually("its words are in the log", || {
        (fs::read_to_string(&log).unwrap() == "starting\n".repeat(4)).then_some(())
    });
}
