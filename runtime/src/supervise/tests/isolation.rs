//! What a module is made of, and what it can't keep.

use super::*;

#[test]
fn r09_a_module_has_a_clean_environment_and_three_descriptors() {
    let release = Release::install(&SENSOR.replace("\"20\"", "\"60000\""));
    // A descriptor that the supervisor was started with by mistake.
    let leak = fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let run = Run::of(supervisor(&release, HOUR, standing(), unreachable_verifier));
    let pid = pid(&release, "sensor");
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let descriptors: BTreeSet<String> = fs::read_dir(proc.join("fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(descriptors, ["0", "1", "2"].map(String::from).into());
    assert_eq!(fs::read_link(proc.join("fd/0")).unwrap(), PathBuf::from("/dev/null"));
    let environment = fs::read_to_string(proc.join("environ")).unwrap();
    let variables: BTreeSet<&str> = environment.split_terminator('\0').collect();
    assert_eq!(variables, ["HALLMARK_MODULE=sensor", "STATION=north"].into());
    let folder = fs::read_link(proc.join("cwd")).unwrap();
    assert_eq!(folder, release.state().join("modules/sensor").canonicalize().unwrap());
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    let facts = fs::read_to_string(proc.join("status")).unwrap();
    assert!(facts.contains("NoNewPrivs:\t1") && facts.contains("Umask:\t0077"), "{facts}");
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core: Vec<&str> = limits.lines().find(|l| l.contains("core")).unwrap().split_whitespace().collect();
    assert_eq!(core, ["Max", "core", "file", "size", "0", "0", "bytes"]);
    let arguments = fs::read_to_string(proc.join("cmdline")).unwrap();
    assert_eq!(arguments, "sensor\x00--interval-ms\x0060000\x00");
    run.stop();
}

#[test]
fn r02_a_file_swapped_between_measuring_and_executing_is_not_executed() {
    let release = Release::install(&SENSOR.replace("\"20\"", "\"60000\""));
    let (set, folder) = (release.set(), tempfile::tempdir().unwrap());
    let measured = MeasuredModule::measure(&set, "sensor").unwrap();
    fs::remove_file(release.file("bin/thermometer")).unwrap();
    fs::copy("/bin/true", release.file("bin/thermometer")).unwrap();
    let no_args: [&str; 0] = [];
    let launcher = Launcher::program(&example("launcher"), no_args);
    let null = std::process::Stdio::null;
    let streams = Streams { stdin: null(), stdout: null(), stderr: null() };
    let mut child =
        launch::start(&measured, &permit(&set, HOUR), &standing(), &launcher, streams, folder.path())
            .unwrap();
    let exe = format!("/proc/{}/exe", child.id());
    eventually("it is executed", || fs::read_link(&exe).ok()?.to_str()?.starts_with("/memfd:").then_some(()));
    assert_eq!(Sha256::of(&fs::read(&exe).unwrap()), set.get("sensor").unwrap().sha256());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn r02_a_module_is_measured_again_before_each_restart() {
    let release = Release::install(&format!("{SENSOR}{}", shell("other", "exec /bin/sleep 60")));
    let run = Run::of(supervisor(&release, HOUR, standing(), unreachable_verifier));
    let (sensor, other) = (pid(&release, "sensor"), pid_of_shell(&release, "other"));
    let path = release.file("bin/thermometer");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    kill(sensor, Signal::KILL);
    let refused = eventually("it is refused", || {
        module(&release, "sensor").filter(|module| module.state == ModuleState::Refused)
    });
    assert!(refused.reason.unwrap().contains("not the file that was signed"));
    assert_eq!(refused.last_exit.as_deref(), Some("signal 9"));
    assert!(is_alive(other), "the other module runs on");
    assert!(matches!(run.stop(), Ended::OnRequest));
}

#[test]
fn r06_a_module_that_ignores_the_request_is_killed_with_what_it_started() {
    let program = "trap '' TERM; /bin/sleep 1000 & echo $! > child; while :; do /bin/sleep 0.1; done";
    let release = Release::install(&shell("stubborn", program));
    let set = release.set();
    let permit = permit(&set, HOUR);
    let no_args: [&str; 0] = [];
    let launcher = Launcher::program(&example("launcher"), no_args);
    let limits = Limits { grace: Duration::from_millis(200), ..limits() };
    let told = Told(standing(), unreachable_verifier);
    let run = Run::of(Supervisor::new(set, permit, &release.state(), launcher, limits, told).unwrap());
    let child = release.state().join("modules/stubborn/child");
    let child: u32 = eventually("it has a child", || fs::read_to_string(&child).ok()?.trim().parse().ok());
    let parent = pid_of_shell(&release, "stubborn");
    run.stop();
    assert!(!is_alive(parent));
    eventually("its child is gone too", || (!is_alive(child)).then_some(()));
    assert_eq!(module(&release, "stubborn").unwrap().last_exit.as_deref(), Some("signal 9"));
}

#[test]
fn r08_only_one_supervisor_works_in_a_state_folder() {
    let release = Release::install(SENSOR);
    let first = supervisor(&release, HOUR, standing(), unreachable_verifier);
    let set = release.set();
    let permit = permit(&set, HOUR);
    let no_args: [&str; 0] = [];
    let launcher = Launcher::program(&example("launcher"), no_args);
    let told = Told(standing(), unreachable_verifier);
    let second = Supervisor::new(set, permit, &release.state(), launcher, limits(), told);
    assert!(matches!(second, Err(RuntimeError::Busy { .. })));
    drop(first);
    supervisor(&release, HOUR, standing(), unreachable_verifier);
}

#[test]
fn r09_a_state_folder_that_others_can_write_to_is_refused() {
    let release = Release::install(SENSOR);
    fs::create_dir(release.state()).unwrap();
    crate::fixture::set_mode(&release.state(), 0o777);
    let error = StateFolder::open(&release.state()).unwrap_err();
    assert!(matches!(error, RuntimeError::Unguarded { mode: 0o777, .. }), "{error}");
}

const STATE_OF_CHILD: &str = "HALLMARK_TEST_STATE";

/// Not a test of its own: the process that `r08_no_module_outlives_a_killed_supervisor` kills.
#[test]
#[ignore = "is the supervisor of another test"]
fn supervisor_to_be_killed() {
    let Some(state) = std::env::var_os(STATE_OF_CHILD) else { return };
    let release = Release::install(&format!("{SENSOR}{SENDER}{}", shell("sleeper", "exec /bin/sleep 1000")));
    let set = release.set();
    let permit = permit(&set, HOUR);
    let no_args: [&str; 0] = [];
    let launcher = Launcher::program(&example("launcher"), no_args);
    let told = Told(standing(), unreachable_verifier);
    Supervisor::new(set, permit, state.as_ref(), launcher, limits(), told).unwrap().run();
}

#[test]
fn r08_no_module_outlives_a_killed_supervisor() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "supervise::tests::isolation::supervisor_to_be_killed", "--ignored"])
        .env(STATE_OF_CHILD, &state)
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pids: Vec<u32> = eventually("its modules run", || {
        let modules = status::read(&state).unwrap().status?.modules;
        modules.iter().map(|m| m.pid.filter(|_| m.state == ModuleState::Running)).collect()
    });
    assert_eq!(pids.len(), 3);
    // One that writes nothing, and so would never notice by itself that nobody reads it any more.
    eventually("the launcher has done its work", || {
        fs::read_link(format!("/proc/{}/exe", pids[2])).ok().filter(|exe| exe.ends_with("sleep"))
    });
    assert!(status::read(&state).unwrap().is_running);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("its modules are gone", || pids.iter().all(|pid| !is_alive(*pid)).then_some(()));
    let observed = status::read(&state).unwrap();
    assert!(!observed.is_running);
    for module in observed.status.unwrap().modules {
        assert_eq!((module.state, module.pid), (ModuleState::Stopped, None));
        assert!(module.reason.unwrap().contains("ended without stopping it"));
    }
}
