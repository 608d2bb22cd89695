/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#define ROWS(name, ...) \
        static void name(void) { \
                static const struct judge_row rows[] = { __VA_ARGS__ }; \
                JUDGE(HTTP_POST, "/containers/create", rows); \
        }
#define CC(options) "request_body: {container_create: {" options "}}"

ROWS(a_plain_container_passes,
     { "",
       "{'Image':'busybox','Cmd':['sh'],'HostConfig':{'NetworkMode':'bridge','Memory':0,'Binds':null,'PidsLimit':null}"
       "}",
       "ok" },
     { NULL, "", "ok" }, { NULL, "null", "ok" }, { NULL, "{}", "ok" },
     { NULL, "{'Env':5,'HostConfig':{'LogConfig':[1]}}", "ok" })

ROWS(what_is_no_strict_json_is_denied, { "", "[]", "" }, { NULL, "{'Image':'x'} x", "" }, { NULL, "{'a':1,'A':2}", "" },
     { NULL, "{'HostConfig':{},'hostconfig':null}", "" }, { NULL, "{'User':'\\u0000'}", "" },
     { NULL, "{'User':'\xff'}", "" }, { NULL, "{'User':5}", "/User" },
     { NULL, "{'HostConfig':{'Memory':1.0}}", "/HostConfig/Memory" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':1}]}}", "/HostConfig/Mounts/0/Type" },
     { NULL, "{'HostConfig':{'Links':'x'}}", "/HostConfig/Links" },
     { NULL, "{'HostConfig':{'Tmpfs':[]}}", "/HostConfig/Tmpfs" }, { NULL, "{'Labels':{'a':'1','A':'2'}}", "ok" },
     { NULL, "{'Labels':{'a':'1','a':'2'}}", "" })

ROWS(names_are_read_as_docker_reads_them, { "", "{'hostconfig':{'PRIVILEGED':true}}", "/HostConfig/Privileged" },
     { NULL, "{'Ho\xc5\xbftConfig':{'Privileged':true}}", "/HostConfig/Privileged" },
     { NULL, "{'Host\\u0043onfig':{'privilege\\u0064':true}}", "/HostConfig/Privileged" })

ROWS(host_namespaces_need_their_options, { "", "{'HostConfig':{'Privileged':true}}", "/HostConfig/Privileged" },
     { NULL, "{'HostConfig':{'NetworkMode':' HO\xc5\xbfT '}}", "/HostConfig/NetworkMode" },
     { NULL, "{'HostConfig':{'PidMode':'host'}}", "/HostConfig/PidMode" },
     { NULL, "{'HostConfig':{'IpcMode':'host'}}", "/HostConfig/IpcMode" },
     { NULL, "{'HostConfig':{'UsernsMode':'host'}}", "/HostConfig/UsernsMode" },
     { NULL, "{'HostConfig':{'CgroupnsMode':'host'}}", "/HostConfig/CgroupnsMode" },
     { NULL, "{'HostConfig':{'UTSMode':'host'}}", "/HostConfig/UTSMode" },
     { CC("allow_privileged: true, allow_host_network: true, allow_host_pid: true, allow_host_ipc: true, "
          "allow_host_userns: true, allow_host_cgroupns: true"),
       "{'HostConfig':{'Privileged':true,'NetworkMode':'host','PidMode':'host','IpcMode':'host','UsernsMode':'host','"
       "CgroupnsMode':'host'}}",
       "ok" },
     { NULL, "{'HostConfig':{'UTSMode':'host'}}", "/HostConfig/UTSMode" })

ROWS(host_configuration_at_the_top_level_is_denied,
     { CC("allow_privileged: true"), "{'Image':'x','Privileged':true}", "/Privileged" },
     { NULL, "{'Image':'x','HostConfig':null,'binds':['/:/h']}", "/binds" },
     { NULL, "{'Image':'x','HostConfig':{},'PidMode':'host'}", "/PidMode" },
     { NULL, "{'Bind\\u0073':['/:/h']}", "/Binds" }, { NULL, "{'CapAdd':['ALL']}", "/CapAdd" },
     { NULL, "{'Runtime':null,'VolumeDriver':null}", "ok" }, { NULL, "{'Runtime':'evil'}", "/Runtime" },
     { NULL, "{'Hostname':'h','User':'1','Volumes':{},'MacAddress':'','StopTimeout':1}", "ok" },
     { CC("allowed_runtimes: [runsc]"), "{'Runtime':'runsc','HostConfig':{'Runtime':'runsc'}}", "ok" })

ROWS(namespaces_are_shared_with_named_containers_only, { "", "{'HostConfig':{'PidMode':'container:x'}}", "ok" },
     { CC("restrict_namespace_sharing: true"), "{'HostConfig':{'PidMode':'Container:x'}}", "/HostConfig/PidMode" },
     { NULL, "{'HostConfig':{'NetworkMode':'container:'}}", "ok" },
     { CC("restrict_namespace_sharing: true, allowed_namespace_sharing_containers: [web]"),
       "{'HostConfig':{'NetworkMode':'container:web','IpcMode':'container:db'}}", "/HostConfig/IpcMode" },
     { NULL, "{'HostConfig':{'NetworkMode':'container: web '}}", "ok" },
     { CC("deny_namespace_path_mode: true"), "{'HostConfig':{'NetworkMode':'NS:/proc/1/ns/net'}}",
       "/HostConfig/NetworkMode" })

ROWS(bind_sources_must_be_below_the_allowed_ones, { "", "{'HostConfig':{'Binds':['/etc:/x']}}", "/HostConfig/Binds/0" },
     { NULL, "{'HostConfig':{'Binds':['vol:/x','/anonymous']}}", "ok" },
     { NULL, "{'HostConfig':{'Binds':['vol:/x',' /etc:/x']}}", "/HostConfig/Binds/1" },
     { NULL, "{'HostConfig':{'Binds':['../etc:/x']}}", "/HostConfig/Binds/0" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'bind','Source':'/etc'}]}}", "/HostConfig/Mounts/0/Source" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'bind','Source':'etc'}]}}", "/HostConfig/Mounts/0/Source" },
     { CC("allowed_bind_mounts: [/data]"), "{'HostConfig':{'Binds':['/data/x:/y:rw,rshared','/data:/z']}}", "ok" },
     { NULL, "{'HostConfig':{'Binds':['/data/../etc:/y']}}", "/HostConfig/Binds/0" },
     { NULL, "{'HostConfig':{'Binds':['/database:/y']}}", "/HostConfig/Binds/0" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'bind','Source':'/data//x/'}]}}", "ok" },
     { CC("allowed_bind_mounts: [/data], deny_shared_propagation: true"),
       "{'HostConfig':{'Binds':['/data:/y:rw,rshared']}}", "/HostConfig/Binds/0" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'bind','Source':'/data','BindOptions':{'Propagation':'shared'}}]}}",
       "/HostConfig/Mounts/0/BindOptions/Propagation" },
     { CC("allowed_bind_mounts: [/]"), "{'HostConfig':{'Binds':['/etc:/x']}}", "ok" })

ROWS(mounts_are_of_known_types_spelled_plainly,
     { CC("allowed_bind_mounts: [/]"),
       "{'HostConfig':{'Mounts':[{'Type':'volume','Source':'v'},{'Type':'tmpfs'},{'Type':'image'},{'Type':'bind','"
       "Source':'/x'}]}}",
       "ok" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':' bind ','Source':'/etc'}]}}", "/HostConfig/Mounts/0/Type" },
     { NULL, "{'HostConfig':{'Mounts':[{}]}}", "/HostConfig/Mounts/0/Type" },
     { NULL, "{'HostConfig':{'Mounts':[null]}}", "/HostConfig/Mounts/0/Type" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'npipe'}]}}", "/HostConfig/Mounts/0/Type" })

ROWS(a_volume_mount_cannot_bind_the_host,
     { "",
       "{'HostConfig':{'Mounts':[{'Type':'volume','Source':'v','VolumeOptions':{'DriverConfig':{'Name':'local','"
       "Options':{'type':'none','o':'bind','device':'/'}}}}]}}",
       "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Options" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'volume','VolumeOptions':{'DriverConfig':{'Name':'nfs'}}}]}}",
       "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Name" },
     { NULL,
       "{'HostConfig':{'Mounts':[{'Type':'volume','VolumeOptions':{'DriverConfig':{'Name':'local','Options':{}}}}]}}",
       "ok" },
     { NULL, "{'HostConfig':{'VolumeDriver':'nfs'}}", "/HostConfig/VolumeDriver" },
     { NULL, "{'HostConfig':{'VolumeDriver':'local'}}", "ok" },
     { "request_body: {volume: {allow_driver_opts: true, allow_custom_drivers: true}}",
       "{'HostConfig':{'VolumeDriver':'nfs','Mounts':[{'Type':'volume','VolumeOptions':{'DriverConfig':{'Name':'nfs','"
       "Options':{'a':'b'}}}}]}}",
       "ok" })

ROWS(subpaths_and_tmpfs_options_are_checked,
     { "", "{'HostConfig':{'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':'a/../b'}}]}}", "ok" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':'../x'}}]}}",
       "/HostConfig/Mounts/0/VolumeOptions/Subpath" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'image','ImageOptions':{'Subpath':'/x'}}]}}",
       "/HostConfig/Mounts/0/ImageOptions/Subpath" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[['noexec'],['size','1']]}}]}}",
       "ok" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[[' EXEC ']]}}]}}",
       "/HostConfig/Mounts/0/TmpfsOptions/Options/0" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[['a','b','c']]}}]}}",
       "/HostConfig/Mounts/0/TmpfsOptions/Options/0" },
     { NULL, "{'HostConfig':{'Tmpfs':{'/x':'size=1,suid'}}}", "/HostConfig/Tmpfs/~1x" },
     { NULL, "{'HostConfig':{'Tmpfs':{'/x':'nosuid,nodev'}}}", "ok" },
     { CC("allow_tmpfs_privileged_options: true"), "{'HostConfig':{'Tmpfs':{'/x':'suid'}}}", "ok" })

ROWS(devices_are_listed,
     { "", "{'HostConfig':{'Devices':[{'PathOnHost':'/dev/kvm'}]}}", "/HostConfig/Devices/0/PathOnHost" },
     { NULL, "{'HostConfig':{'Devices':[null]}}", "/HostConfig/Devices/0/PathOnHost" },
     { CC("allowed_devices: [/dev/dri]"), "{'HostConfig':{'Devices':[{'PathOnHost':' /dev/dri/card0 '}]}}", "ok" },
     { NULL, "{'HostConfig':{'Devices':[{'PathOnHost':'/dev/dri/../kvm'}]}}", "/HostConfig/Devices/0/PathOnHost" },
     { CC("allow_all_devices: true"), "{'HostConfig':{'Devices':[{'PathOnHost':'/dev/mem'}]}}", "ok" },
     { "", "{'HostConfig':{'DeviceCgroupRules':['c 1:3 r']}}", "/HostConfig/DeviceCgroupRules/0" },
     { CC("allowed_device_cgroup_rules: ['c 1:* rmw', bogus]"), "{'HostConfig':{'DeviceCgroupRules':['c  1:3  wrm']}}",
       "ok" },
     { NULL, "{'HostConfig':{'DeviceCgroupRules':['c 01:3 rwm']}}", "/HostConfig/DeviceCgroupRules/0" },
     { NULL, "{'HostConfig':{'DeviceCgroupRules':['c 1:3 r']}}", "/HostConfig/DeviceCgroupRules/0" },
     { NULL, "{'HostConfig':{'DeviceCgroupRules':['bogus']}}", "/HostConfig/DeviceCgroupRules/0" })

ROWS(device_requests_match_an_entry,
     { "", "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia'}]}}", "/HostConfig/DeviceRequests/0" },
     { CC("allowed_device_requests: [{driver: NVIDIA, max_count: 2, allowed_capabilities: [[gpu, compute]]}]"),
       "{'HostConfig':{'DeviceRequests':[{'Driver':' Nvidia ','Count':2,'Capabilities':[['GPU'],[]]}]}}", "ok" },
     { NULL, "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia','Count':3,'Capabilities':[['gpu']]}]}}",
       "/HostConfig/DeviceRequests/0" },
     { NULL, "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia','Count':-1,'Capabilities':[['gpu']]}]}}",
       "/HostConfig/DeviceRequests/0" },
     { NULL, "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia','Count':-2,'Capabilities':[['gpu']]}]}}",
       "/HostConfig/DeviceRequests/0" },
     { NULL,
       "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia','DeviceIDs':['0','1','2'],'Capabilities':[['gpu']]}]}}",
       "/HostConfig/DeviceRequests/0" },
     { NULL, "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia','Capabilities':[['gpu','utility']]}]}}",
       "/HostConfig/DeviceRequests/0" },
     { NULL, "{'HostConfig':{'DeviceRequests':[{'Driver':'nvidia'}]}}", "/HostConfig/DeviceRequests/0" },
     { NULL, "{'HostConfig':{'DeviceRequests':[{'Capabilities':[['gpu']]}]}}", "/HostConfig/DeviceRequests/0" })

ROWS(security_options_are_read_like_the_engine_reads_them,
     { CC("deny_unconfined_seccomp: true, deny_unconfined_apparmor: true, deny_selinux_disable: true"),
       "{'HostConfig':{'SecurityOpt':['seccomp=unconfined']}}", "/HostConfig/SecurityOpt/0" },
     { NULL, "{'HostConfig':{'SecurityOpt':['x',' seccomp : Unconfined ']}}", "/HostConfig/SecurityOpt/1" },
     { NULL, "{'HostConfig':{'SecurityOpt':['apparmor:unconfined']}}", "/HostConfig/SecurityOpt/0" },
     { NULL, "{'HostConfig':{'SecurityOpt':['disable']}}", "/HostConfig/SecurityOpt/0" },
     { NULL, "{'HostConfig':{'SecurityOpt':['label=disable']}}", "/HostConfig/SecurityOpt/0" },
     { NULL, "{'HostConfig':{'SecurityOpt':['label=level:s0']}}", "ok" },
     { NULL, "{'HostConfig':{'SecurityOpt':['writable-cgroups=true']}}", "/HostConfig/SecurityOpt/0" },
     { CC("allowed_seccomp_profiles: [a]"), "{'HostConfig':{'SecurityOpt':['seccomp=a']}}", "ok" },
     { NULL, "{'HostConfig':{'SecurityOpt':['seccomp=b']}}", "/HostConfig/SecurityOpt/0" },
     { NULL, "{}", "/HostConfig/SecurityOpt" }, { CC("allowed_apparmor_profiles: [docker-default]"), "{}", "ok" },
     { CC("deny_selinux_label_override: true"), "{'HostConfig':{'SecurityOpt':['label=level:s0']}}",
       "/HostConfig/SecurityOpt/0" })

ROWS(protected_system_paths_stay_protected,
     { CC("deny_unconfined_system_paths: true"), "{'HostConfig':{'MaskedPaths':null,'ReadonlyPaths':null}}", "ok" },
     { NULL, "{'HostConfig':{'MaskedPaths':[]}}", "/HostConfig/MaskedPaths" },
     { NULL, "{'HostConfig':{'MaskedPaths':['/x']}}", "/HostConfig/MaskedPaths" },
     { NULL, "{'HostConfig':{'ReadonlyPaths':[]}}", "/HostConfig/ReadonlyPaths" },
     { NULL,
       "{'HostConfig':{'ReadonlyPaths':['/proc/bus','/proc/fs','/proc/irq','/proc/sys','/proc/sysrq-trigger','/"
       "more']}}",
       "ok" },
     { NULL, "{'HostConfig':{'SecurityOpt':['systempaths=unconfined']}}", "/HostConfig/SecurityOpt/0" })

ROWS(rails_hold, { CC("require_no_new_privileges: true"), "{}", "/HostConfig/SecurityOpt" },
     { NULL, "{'HostConfig':{'SecurityOpt':['no-new-privileges']}}", "ok" },
     { NULL, "{'HostConfig':{'SecurityOpt':['no-new-privileges:true','no-new-privileges:false']}}",
       "/HostConfig/SecurityOpt" },
     { CC("require_non_root_user: true"), "{}", "/User" }, { NULL, "{'User':'+0'}", "/User" },
     { NULL, "{'User':'-00:5'}", "/User" }, { NULL, "{'User':'ROOT'}", "/User" }, { NULL, "{'User':' 1000:0'}", "ok" },
     { NULL, "{'User':'+'}", "ok" }, { CC("require_readonly_rootfs: true"), "{}", "/HostConfig/ReadonlyRootfs" },
     { CC("require_drop_all_capabilities: true"), "{'HostConfig':{'CapDrop':['NET_RAW']}}", "/HostConfig/CapDrop" },
     { NULL, "{'HostConfig':{'CapDrop':[' all ']}}", "ok" },
     { CC("allowed_capabilities: [cap_net_admin]"), "{'HostConfig':{'CapAdd':['NET_ADMIN','cap_net_admin','']}}",
       "ok" },
     { NULL, "{'HostConfig':{'CapAdd':['ALL']}}", "/HostConfig/CapAdd/0" },
     { CC("required_labels: [team]"), "{'Labels':{'Team':'x'}}", "/Labels/team" },
     { NULL, "{'Labels':{'team':' '}}", "/Labels/team" }, { NULL, "{'Labels':{'team':'x'}}", "ok" },
     { CC("require_memory_limit: true"), "{'HostConfig':{'MemoryReservation':1}}", "/HostConfig/Memory" },
     { CC("require_cpu_limit_hard: true"), "{'HostConfig':{'CpuShares':1}}", "/HostConfig/NanoCpus" },
     { CC("require_cpu_limit: true"), "{'HostConfig':{'CpuShares':1}}", "ok" },
     { CC("require_pids_limit: true"), "{'HostConfig':{'PidsLimit':-1}}", "/HostConfig/PidsLimit" })

ROWS(endpoints_are_plain,
     { "", "{'NetworkingConfig':{'EndpointsConfig':{'n':null,'m':{'Aliases':['a'],'DriverOpts':{},'Links':null}}}}",
       "ok" },
     { NULL, "{'NetworkingConfig':{'EndpointsConfig':{'n':{'IPAMConfig':{'IPv4Address':'10.0.0.2'}}}}}",
       "/NetworkingConfig/EndpointsConfig/n/IPAMConfig/IPv4Address" },
     { NULL, "{'NetworkingConfig':{'EndpointsConfig':{'n':{'DriverOpts':{'a':1}}}}}",
       "/NetworkingConfig/EndpointsConfig/n/DriverOpts" },
     { NULL, "{'NetworkingConfig':{'EndpointsConfig':{'n':{'GwPriority':1}}}}",
       "/NetworkingConfig/EndpointsConfig/n/GwPriority" },
     { NULL, "{'MacAddress':'02:00:00:00:00:01'}", "/MacAddress" },
     { NULL, "{'HostConfig':{'Links':['a:b']}}", "/HostConfig/Links" },
     { "request_body: {network: {allow_endpoint_config: true}}",
       "{'MacAddress':'x','HostConfig':{'Links':['a']},'NetworkingConfig':{'EndpointsConfig':{'n':{'Links':['a']}}}}",
       "ok" })

#define KEY_PEM \
        "\"-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8nXRh950IZbRj8Ra/N9sbqOPZrfM\\n5/" \
        "KAQN0/KjHcorm/J5yctVd7iEcnessRQjU917hmKO6JWVGHpDguIyakZA==\\n-----END PUBLIC KEY-----\\n\""

ROWS(images_that_must_be_verified_are_denied_without_a_verifier,
     { CC("image_trust: {mode: enforce, allowed_signing_keys: [{pem: " KEY_PEM "}]}"), "{'Image':'x'}", "/Image" },
     { NULL, "", "ok" }, { NULL, "null", "/Image" },
     { NULL, "{'Image':'x','HostConfig':{'Mounts':[{'Type':'iMAGE'}]}}", "/HostConfig/Mounts/0/Type" },
     { NULL, "{'Image':'x','HostConfig':{'Privileged':true}}", "/HostConfig/Privileged" },
     { CC("image_trust: {mode: warn, allowed_keyless: [{issuer: i, subject_pattern: s}]}"), "{'Image':'x'}", "/Image" },
     { NULL, "", "/Image" },
     { CC("image_trust: {mode: 'off', allowed_keyless: [{issuer: i, subject_pattern: s}]}"), "{}", "ok" })

ROWS(image_trust_that_only_warns_lets_named_images_pass,
     { CC("image_trust: {mode: warn, allowed_signing_keys: [{pem: " KEY_PEM "}]}"), "", "ok" },
     { NULL, "{}", "/Image" }, { NULL, "{'Image':' \u00a0'}", "/Image" },
     { NULL, "{'HostConfig':{'Mounts':[{'Type':'image'}]}}", "/Image" },
     { NULL, "{'Image':'x','HostConfig':{'Privileged':true}}", "/HostConfig/Privileged" },
     { NULL, "{'Image':' x '}", "ok" })

static void an_image_that_passes_unverified_is_named(void) {
        judge_policy(CC("image_trust: {mode: warn, allowed_signing_keys: [{pem: " KEY_PEM "}]}"));
        CHECK_STR(slice_of(judge_body(HTTP_POST, "/containers/create", "{'Image':' x '}")), "ok");
        CHECK_STR(judge_.result.unverified, "x");
}

static void no_body_may_come_with_start(void) {
        static const struct judge_row rows[] = {
                { "", "", "ok" },       { NULL, "{}", "ok" }, { NULL, "{'Privileged':true}", "" },
                { NULL, " {} ", "ok" }, { NULL, "null", "" }, { NULL, "x", "" }
        };

        JUDGE(HTTP_POST, "/containers/a/b/start", rows);
}

static void update_needs_permission_for_what_it_mentions(void) {
        static const struct judge_row rows[] = {
                { "", "{}", "ok" },
                { NULL, "null", "ok" },
                { NULL, "[]", "" },
                { NULL, "{'memory':0}", "/memory" },
                { NULL, "{'HostConfig':{'Privileged':null}}", "/HostConfig/Privileged" },
                { NULL, "{'HostConfig':{'Resources':{'Ulimits':[]}}}", "/HostConfig/Resources" },
                { NULL, "{'RestartPolicy':{}}", "/RestartPolicy" },
                { NULL, "{'Other':1}", "ok" },
                { "request_body: {container_update: {allow_resource_updates: true}}",
                  "{'Memory':1,'Resources':{'CapAdd':[]}}", "/Resources/CapAdd" },
                { NULL, "{'Memory':1}", "ok" },
        };

        JUDGE(HTTP_POST, "/containers/web/db/update", rows);
        JUDGE(HTTP_POST, "/libpod/containers/x/update", ((const struct judge_row[]){ { "", "{}", "" } }));
}

static void exec_is_judged_by_templates(void) {
#define EX(options) "request_body: {exec: {" options "}}"
        static const struct judge_row rows[] = {
                { "", "{'Cmd':['id'],'User':'1'}", "/Cmd" },
                { EX("allow_root_user: true, allowed_commands: [[id], [cat, /var/**], [sh, '**']]"), "{'Cmd':['id']}",
                  "ok" },
                { NULL, "{'Cmd':'id'}", "ok" },
                { NULL, "{'Cmd':['id','-u']}", "/Cmd" },
                { NULL, "{'Cmd':[null,'id']}", "/Cmd" },
                { NULL, "{'Cmd':[]}", "/Cmd" },
                { NULL, "null", "/Cmd" },
                { NULL, "{'Cmd':['id'],'Privileged':true}", "/Privileged" },
                { NULL, "{'Cmd':['cat','/var/x/y']}", "ok" },
                { NULL, "{'Cmd':['cat','/varx']}", "/Cmd" },
                { NULL, "{'Cmd':['cat','/var/../etc/shadow']}", "ok" },
                { NULL, "{'Cmd':['cat','/var/..x/y..']}", "ok" },
                { NULL, "{'Cmd':['sh','../x']}", "ok" },
                { EX("allow_root_user: true, allowed_commands: [[/usr/bin/**], [/a/../b]]"),
                  "{'Cmd':['/usr/bin/../../bin/sh']}", "/Cmd" },
                { NULL, "{'Cmd':['/a/../b']}", "ok" },
                { EX("allow_root_user: true, allowed_commands: [[id], [cat, /var/**], [sh, '**']]"), "{'Cmd':['id']}",
                  "ok" },
                { NULL, "{'Cmd':['sh','a\\nb']}", "/Cmd" },
                { NULL, "{'Cmd':['id'],'cmd':['sh']}", "" },
                { EX("allowed_commands: [['*']]"), "{'Cmd':['id']}", "/User" },
                { NULL, "{'Cmd':['id'],'User':'+0'}", "/User" },
                { NULL, "{'Cmd':['id'],'User':'1'}", "ok" },
                { EX("allow_root_user: true, allowed_commands: [['**'], [./run]]"), "{'Cmd':['./id']}", "/Cmd" },
                { NULL, "{'Cmd':['./run']}", "ok" },
                { NULL, "{'Cmd':['/id']}", "ok" },
                { NULL, "{'Cmd':['id']}", "ok" },
                { EX("allow_root_user: true, allowed_commands: [[id]], denied_env_vars: [LD_PRELOAD], "
                     "allowed_env_values: [A=1]"),
                  "{'Cmd':['id'],'Env':['B=2','LD_PRELOAD=x']}", "/Env/1" },
                { NULL, "{'Cmd':['id'],'Env':['A=1','B']}", "ok" },
                { NULL, "{'Cmd':['id'],'Env':['A=2']}", "/Env/0" },
                { NULL, "{'Cmd':['id'],'Env':['A']}", "/Env/0" },
                { "insecure_allow_body_blind_writes: true\nrequest_body: {exec: {allow_root_user: true}}",
                  "{'Cmd':['anything']}", "ok" },
        };

        JUDGE(HTTP_POST, "/containers/x/exec", rows);
        JUDGE(HTTP_POST, "/libpod/containers/x/exec", rows);
}

static void exec_start_is_judged_by_what_is_stored(void) {
        static const struct {
                int status;
                const char *body;
                enum inspect_outcome want;
        } rows[] = {
                { 404, "", INSPECT_PASS },
                { 500, "{}", INSPECT_FAILED },
                { 301, "{}", INSPECT_FAILED },
                { 200, "{", INSPECT_FAILED },
                { 200, "[]", INSPECT_FAILED },
                { 200, "{\"ProcessConfig\":{\"entrypoint\":\"id\",\"user\":\"1\"}}", INSPECT_PASS },
                { 200, "{\"ProcessConfig\":{\"entrypoint\":\"id\",\"user\":\"\"}}", INSPECT_DENY },
                { 200, "{\"ProcessConfig\":{\"entrypoint\":\"sh\",\"user\":\"1\"}}", INSPECT_DENY },
                { 200, "{\"ProcessConfig\":{\"entrypoint\":\"id\",\"user\":\"1\",\"privileged\":true}}", INSPECT_DENY },
                { 200, "{}", INSPECT_DENY },
        };
        const struct inspector *row = inspect_find(HTTP_POST, SLICE("/exec/a b/start"));
        struct slice target;

        judge_policy("request_body: {exec: {allowed_commands: [[id]]}}");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct inspect_input in = judge_input(HTTP_POST, "/exec/a b/start", SLICE(""));
                struct lookup l = { rows[i].status, slice_of(rows[i].body) };
                struct inspect_result r;

                CHECK(row->lookup(&in, &target));
                CHECK_STR(target, "/exec/a%20b/json");
                in.lookup = &l;
                inspect_run(row, &in, &r);
                CHECK_INT(r.outcome, rows[i].want);
        }
}

static void every_endpoint_is_recognised_by_its_last_segment(void) {
        CHECK(inspect_find(HTTP_POST, SLICE("/containers/web/db/exec")) != NULL);
        CHECK(inspect_find(HTTP_POST, SLICE("/containers/exec")) == NULL);
        CHECK(inspect_find(HTTP_POST, SLICE("/containers//exec")) == NULL);
        CHECK(inspect_find(HTTP_GET, SLICE("/containers/x/exec")) == NULL);
        CHECK(inspect_find(HTTP_POST, SLICE("/containers/x/execs")) == NULL);
        CHECK(inspect_path_matches("/a/{1}/b", SLICE("/a/x/b")));
        CHECK(!inspect_path_matches("/a/{1}/b", SLICE("/a/x/y/b")));
        CHECK(!inspect_path_matches("/a/{}/b", SLICE("/a/b")));
}

CHECK_MAIN(CHECK_TEST(a_plain_container_passes), CHECK_TEST(what_is_no_strict_json_is_denied),
           CHECK_TEST(names_are_read_as_docker_reads_them), CHECK_TEST(host_namespaces_need_their_options),
           CHECK_TEST(host_configuration_at_the_top_level_is_denied),
           CHECK_TEST(namespaces_are_shared_with_named_containers_only),
           CHECK_TEST(bind_sources_must_be_below_the_allowed_ones),
           CHECK_TEST(mounts_are_of_known_types_spelled_plainly), CHECK_TEST(a_volume_mount_cannot_bind_the_host),
           CHECK_TEST(subpaths_and_tmpfs_options_are_checked), CHECK_TEST(devices_are_listed),
           CHECK_TEST(device_requests_match_an_entry), CHECK_TEST(security_options_are_read_like_the_engine_reads_them),
           CHECK_TEST(protected_system_paths_stay_protected), CHECK_TEST(rails_hold), CHECK_TEST(endpoints_are_plain),
           CHECK_TEST(images_that_must_be_verified_are_denied_without_a_verifier),
           CHECK_TEST(image_trust_that_only_warns_lets_named_images_pass),
           CHECK_TEST(an_image_that_passes_unverified_is_named), CHECK_TEST(no_body_may_come_with_start),
           CHECK_TEST(update_needs_permission_for_what_it_mentions), CHECK_TEST(exec_is_judged_by_templates),
           CHECK_TEST(exec_start_is_judged_by_what_is_stored),
           CHECK_TEST(every_endpoint_is_recognised_by_its_last_segment))
