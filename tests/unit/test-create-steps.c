/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

/*
 * The checks of a create, in the chapter's order (chapter 03, 2.1), with the values that lie at their edges: blanks of
 * Unicode, letters that fold, empty and null elements, the first and the last of several.
 */

#define ROWS(name, ...) \
        static void name(void) { \
                static const struct judge_row rows[] = { __VA_ARGS__ }; \
                JUDGE(HTTP_POST, "/containers/create", rows); \
        }
#define CC(options) "request_body: {container_create: {" options "}}"
#define HC(members) "{'HostConfig':{" members "}}"

/* 4 to 9, 14 */
ROWS(host_is_host_whatever_surrounds_it, { "", HC("'NetworkMode':'host'"), "/HostConfig/NetworkMode" },
     { NULL, HC("'NetworkMode':'\\u00a0ho\\u017ft\\u3000'"), "/HostConfig/NetworkMode" },
     { NULL, HC("'PidMode':'\\tHOST\\n'"), "/HostConfig/PidMode" },
     { NULL, HC("'IpcMode':'\\u2028host'"), "/HostConfig/IpcMode" },
     { NULL, HC("'UsernsMode':'hoſt'"), "/HostConfig/UsernsMode" },
     { NULL, HC("'CgroupnsMode':'\\u0085Host'"), "/HostConfig/CgroupnsMode" },
     { NULL, HC("'UTSMode':' host'"), "/HostConfig/UTSMode" },
     { NULL,
       HC("'NetworkMode':'hosts','PidMode':'ghost','IpcMode':'ho "
          "st','UTSMode':'','UsernsMode':'host:','CgroupnsMode':'private'"),
       "ok" },
     { NULL, HC("'NetworkMode':'\\u200bhost'"),
       "ok" }, /* a zero width space is no white space, to the engine neither */
     { NULL, HC("'Privileged':false,'NetworkMode':null,'PidMode':null"), "ok" },
     { CC("allow_host_network: true"), HC("'NetworkMode':'host','PidMode':'host'"), "/HostConfig/PidMode" },
     { CC("allow_host_pid: true, allow_host_ipc: true"), HC("'PidMode':'host','IpcMode':'HOST','Privileged':true"),
       "/HostConfig/Privileged" })

/* 10, 11 */
ROWS(a_shared_namespace_is_named_exactly,
     { CC("restrict_namespace_sharing: true"), HC("'PidMode':'container:x'"), "/HostConfig/PidMode" },
     { NULL, HC("'NetworkMode':' CONTAINER: x '"), "/HostConfig/NetworkMode" },
     { NULL, HC("'UTSMode':'container:x'"), "/HostConfig/UTSMode" },
     { NULL, HC("'UsernsMode':'container:x'"), "/HostConfig/UsernsMode" },
     { NULL, HC("'IpcMode':'container: \\u2003'"), "ok" }, { NULL, HC("'CgroupnsMode':'container:x'"), "ok" },
     { NULL, HC("'NetworkMode':'container','PidMode':'containers:x'"), "ok" },
     { CC("restrict_namespace_sharing: true, allowed_namespace_sharing_containers: [web, Db]"),
       HC("'PidMode':'container:web','IpcMode':'Container:Db'"), "ok" },
     { NULL, HC("'PidMode':'container:db'"), "/HostConfig/PidMode" },
     { NULL, HC("'PidMode':'container:we'"), "/HostConfig/PidMode" },
     { NULL, HC("'PidMode':'container:web:x'"), "/HostConfig/PidMode" },
     { NULL, HC("'PidMode':'container:\\u3000web\\t'"), "ok" },
     { CC("deny_namespace_path_mode: true"), HC("'NetworkMode':' ns:/x'"), "/HostConfig/NetworkMode" },
     { NULL, HC("'NetworkMode':'Ns:'"), "/HostConfig/NetworkMode" }, { NULL, HC("'NetworkMode':'nſ:/x'"), "ok" },
     { NULL, HC("'NetworkMode':'ns','PidMode':'ns:/x'"), "ok" })

/* 12 to 18 */
ROWS(one_element_is_enough, { "", HC("'Sysctls':{'':''}"), "/HostConfig/Sysctls" }, { NULL, HC("'Sysctls':{}"), "ok" },
     { NULL, HC("'Sysctls':{'a':null}"), "/HostConfig/Sysctls" },
     { CC("allow_sysctls: true"), HC("'Sysctls':{'a':'1'}"), "ok" },
     { NULL, HC("'VolumesFrom':[null]"), "/HostConfig/VolumesFrom" }, { NULL, HC("'VolumesFrom':[]"), "ok" },
     { NULL, HC("'VolumesFrom':['']"), "/HostConfig/VolumesFrom" }, { NULL, HC("'CgroupParent':' '"), "ok" },
     { NULL, HC("'CgroupParent':'/'"), "/HostConfig/CgroupParent" },
     { NULL, HC("'GroupAdd':[null]"), "/HostConfig/GroupAdd" },
     { NULL, HC("'ExtraHosts':['']"), "/HostConfig/ExtraHosts" },
     { NULL, HC("'GroupAdd':[],'ExtraHosts':[],'Links':[]"), "ok" },
     { NULL, HC("'Links':[null]"), "/HostConfig/Links" }, { NULL, HC("'Runtime':' '"), "ok" },
     { NULL, HC("'Runtime':'runc'"), "/HostConfig/Runtime" },
     { CC("allowed_runtimes: [' runsc ', '']"), HC("'Runtime':'\\u00a0runsc'"), "ok" },
     { NULL, HC("'Runtime':'RunSC'"), "/HostConfig/Runtime" }, { NULL, HC("'Runtime':'runs'"), "/HostConfig/Runtime" })

/* 19 */
ROWS(a_device_request_asks_for_no_more_than_an_entry_gives,
     { CC("allowed_device_requests: [{driver: nvidia}]"), HC("'DeviceRequests':[{'Driver':'NVIDIA','Count':-1}]"),
       "ok" },
     { NULL, HC("'DeviceRequests':[{'Driver':'nvidia','Count':-2}]"), "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[{'Driver':'nvidia','Capabilities':[['gpu']]}]"), "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[{'Driver':'nvidia','Capabilities':[[],[' '],null]}]"), "ok" },
     { NULL, HC("'DeviceRequests':[{'Driver':'nvidia','DeviceIDs':['0','1'],'Options':{'x':'y'}}]"), "ok" },
     { NULL, HC("'DeviceRequests':[{'Driver':'nvidia'},null]"), "/HostConfig/DeviceRequests/1" },
     { NULL, HC("'DeviceRequests':[{'Driver':' '}]"), "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[]"), "ok" }, { NULL, HC("'DeviceRequests':null"), "ok" },
     { CC("allowed_device_requests: [{driver: a, max_count: 0}, {driver: ' \u212a ', max_count: -1, "
          "allowed_capabilities: [[GPU, ' x '], [y]]}]"),
       HC("'DeviceRequests':[{'Driver':'a','Count':0}]"), "ok" },
     { NULL, HC("'DeviceRequests':[{'Driver':'a','Count':1}]"), "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[{'Driver':'a','DeviceIDs':['0']}]"), "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[{'Driver':'k','Count':-1,'Capabilities':[['gpu','X','gpu'],[],['Y']]}]"), "ok" },
     { NULL, HC("'DeviceRequests':[{'Driver':'K','Count':0,'Capabilities':[['gpu']]}]"),
       "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[{'Driver':'k','Count':-1,'Capabilities':[['gpu','y']]}]"),
       "/HostConfig/DeviceRequests/0" },
     { NULL, HC("'DeviceRequests':[{'Driver':'k','Count':-1,'Capabilities':[[]]}]"), "/HostConfig/DeviceRequests/0" },
     { CC("allow_device_requests: true"), HC("'DeviceRequests':[null,{'Count':-9}]"), "ok" })

/* 20, 21 */
ROWS(device_rules_and_devices_are_compared_as_texts,
     { CC("allowed_device_cgroup_rules: ['c 1:* rwm', 'b *:5 r', 'a *:* rw']"),
       HC("'DeviceCgroupRules':['c 1:99 mrwr']"), "ok" },
     { NULL, HC("'DeviceCgroupRules':['c 1:* rwm','b 7:5 r']"), "ok" },
     { NULL, HC("'DeviceCgroupRules':['\\u2003c\\t1:1\\u3000rwm ']"), "ok" },
     { NULL, HC("'DeviceCgroupRules':['c *:1 rwm']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1:1 rw']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['C 1:1 rwm']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['b 7:05 r']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1:1:1 rwm']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1 rwm']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1: rwm']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1:1 rwm x']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1:1 RWM']"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':[null]"), "/HostConfig/DeviceCgroupRules/0" },
     { NULL, HC("'DeviceCgroupRules':['c 1:\\u0661 rwm']"), "/HostConfig/DeviceCgroupRules/0" },
     { CC("allow_device_cgroup_rules: true"), HC("'DeviceCgroupRules':['x']"), "ok" },
     { CC("allowed_devices: [/dev/dri/, /dev/snd]"),
       HC("'Devices':[{'PathOnHost':'/dev//dri/./card0'},{'PathOnHost':'\\u00a0/dev/snd'}]"), "ok" },
     { NULL, HC("'Devices':[{'PathOnHost':'/dev/dri2'}]"), "/HostConfig/Devices/0/PathOnHost" },
     { NULL, HC("'Devices':[{'PathOnHost':'dev/dri'}]"), "/HostConfig/Devices/0/PathOnHost" },
     { NULL, HC("'Devices':[{'PathOnHost':'/dev'}]"), "/HostConfig/Devices/0/PathOnHost" },
     { NULL, HC("'Devices':[{}]"), "/HostConfig/Devices/0/PathOnHost" },
     { CC("allowed_devices: [/]"), HC("'Devices':[{'PathOnHost':'/dev/mem'}]"), "ok" },
     { NULL, HC("'Devices':[{'PathOnHost':''}]"), "/HostConfig/Devices/0/PathOnHost" })

/* 22 to 26 */
ROWS(a_bind_is_below_an_allowed_path_after_cleaning,
     { CC("allowed_bind_mounts: [/data/, /srv/./x]"),
       HC("'Binds':['/data:/y','/data/:/y','//data//a:/y','/srv/x/../x/y:/y:ro,z']"), "ok" },
     { NULL, HC("'Binds':['/data/../data2:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['/srv:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['/:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['/Data:/y']"), "/HostConfig/Binds/0" }, { NULL, HC("'Binds':['/dat\\u0061:/y']"), "ok" },
     { NULL, HC("'Binds':['/data /x:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['',null,':','::','/only','name:/y',':/y']"), "ok" },
     { NULL, HC("'Binds':['./x:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['..:/y']"), "/HostConfig/Binds/0" }, { NULL, HC("'Binds':['.:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['x/y:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['\\u00a0/etc:/y']"), "/HostConfig/Binds/0" },
     { NULL, HC("'Mounts':[{'Type':'bind','Source':'/data/../etc'}]"), "/HostConfig/Mounts/0/Source" },
     { NULL, HC("'Mounts':[{'Type':'BIND','Source':'/etc'}]"), "/HostConfig/Mounts/0/Source" },
     { NULL, HC("'Mounts':[{'Type':'bind','Source':''}]"), "ok" },
     { NULL, HC("'Mounts':[{'Type':'bind','Source':'.'}]"), "/HostConfig/Mounts/0/Source" },
     { NULL, HC("'Mounts':[{'Type':'bind','Source':'name'}]"), "/HostConfig/Mounts/0/Source" },
     { NULL, HC("'Mounts':[{'type':'bind','sourc\\u0065':'/etc'}]"), "/HostConfig/Mounts/0/Source" },
     { NULL, HC("'Mounts':[{'Type':'volume','Source':'/etc'}]"), "ok" }, /* no name that the engine takes */
     { NULL, HC("'Mounts':[{'Type':'Bind','Source':'/data'}]"), "/HostConfig/Mounts/0/Type" },
     { NULL, HC("'Mounts':[{'Type':'cluster'}]"), "/HostConfig/Mounts/0/Type" },
     { NULL, HC("'Mounts':[{'Type':'volume','BindOptions':{'Propagation':'shared'}}]"), "ok" },
     { CC("allowed_bind_mounts: [/data], deny_shared_propagation: true"), HC("'Binds':['/data:/y:RSHARED']"),
       "/HostConfig/Binds/0" },
     { NULL, HC("'Binds':['/data:/y:rslave,private']"), "ok" }, { NULL, HC("'Binds':['/data:/shared']"), "ok" },
     { NULL, HC("'Mounts':[{'Type':'bind','Source':'/data','BindOptions':{'propagation':' rshared'}}]"),
       "/HostConfig/Mounts/0/BindOptions/Propagation" })

ROWS(a_subpath_stays_inside,
     { "", HC("'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':''},'ImageOptions':null}]"), "ok" },
     { NULL, HC("'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':'..'}}]"),
       "/HostConfig/Mounts/0/VolumeOptions/Subpath" },
     { NULL, HC("'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':'a/../../b'}}]"),
       "/HostConfig/Mounts/0/VolumeOptions/Subpath" },
     { NULL, HC("'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':'/'}}]"),
       "/HostConfig/Mounts/0/VolumeOptions/Subpath" },
     { NULL, HC("'Mounts':[{'Type':'volume','VolumeOptions':{'Subpath':'..a/...'}}]"), "ok" },
     { NULL, HC("'Mounts':[{'Type':'tmpfs','ImageOptions':{'Subpath':'../x'}}]"),
       "/HostConfig/Mounts/0/ImageOptions/Subpath" },
     { NULL, HC("'Mounts':[{'Type':'volume','TmpfsOptions':{'Options':[['suid']]}}]"),
       "/HostConfig/Mounts/0/TmpfsOptions/Options/0" },
     { NULL, HC("'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[['\\u017fuid']]}}]"),
       "ok" }, /* lower case it is already; no mount option */
     { NULL, HC("'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[[]]}}]"),
       "/HostConfig/Mounts/0/TmpfsOptions/Options/0" },
     { NULL, HC("'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[null]}}]"),
       "/HostConfig/Mounts/0/TmpfsOptions/Options/0" },
     { NULL, HC("'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[['mode','exec'],[' ']]}}]"),
       "/HostConfig/Mounts/0/TmpfsOptions/Options/1" },
     { NULL, HC("'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[['a'],['DEV','x']]}}]"),
       "/HostConfig/Mounts/0/TmpfsOptions/Options/1" },
     { NULL, HC("'Tmpfs':{'/a':'rw','/b':'rw, Exec ,x'}"), "/HostConfig/Tmpfs/~1b" },
     { NULL, HC("'Tmpfs':{'/a':'noexec,nodev,nosuid,execx','/b':null}"), "ok" },
     { CC("allow_tmpfs_privileged_options: true"),
       HC("'Mounts':[{'Type':'tmpfs','TmpfsOptions':{'Options':[['suid'],[]]}}]"),
       "/HostConfig/Mounts/0/TmpfsOptions/Options/1" })

ROWS(an_inline_driver_is_judged_by_the_volume_policy,
     { "", HC("'Mounts':[{'Type':'volume','VolumeOptions':{'DriverConfig':{'Name':'Local'}}}]"),
       "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Name" },
     { NULL, HC("'Mounts':[{'Type':'tmpfs','VolumeOptions':{'DriverConfig':{'Options':{'a':null}}}}]"),
       "/HostConfig/Mounts/0/VolumeOptions/DriverConfig/Options" },
     { NULL, HC("'Mounts':[{'Type':'volume','VolumeOptions':{'DriverConfig':{'Name':'','Options':null}}}]"), "ok" },
     { NULL, HC("'VolumeDriver':' local'"), "/HostConfig/VolumeDriver" },
     { "request_body: {volume: {allow_driver_opts: true}}",
       HC("'Mounts':[{'Type':'volume','VolumeOptions':{'DriverConfig':{'Name':'local','Options':{'o':'bind'}}}}]"),
       "ok" },
     { NULL, HC("'VolumeDriver':'nfs'"), "/HostConfig/VolumeDriver" },
     { "request_body: {volume: {allow_custom_drivers: true}}", HC("'VolumeDriver':'nfs'"), "ok" })

/* 27, 28 */
#define EP(members) "{'NetworkingConfig':{'EndpointsConfig':{'n':{" members "}}}}"
#define AT "/NetworkingConfig/EndpointsConfig/n/"
#define NET(options) "request_body: {network: {endpoint_config: {" options "}}}"
ROWS(an_endpoint_asks_for_nothing_special,
     { "",
       EP("'Gateway':'\\u2003','IPPrefixLen':0,'LinkLocalIPs':null,'GwPriority':0,'DriverOpts':{},'Links':[],'Aliases':"
          "['x']"),
       "ok" },
     { NULL, EP("'IPAMConfig':{'IPv6Address':'::1'}"), AT "IPAMConfig/IPv6Address" },
     { NULL, EP("'Gateway':'x'"), AT "Gateway" }, { NULL, EP("'IPAddress':'x'"), AT "IPAddress" },
     { NULL, EP("'IPv6Gateway':'x'"), AT "IPv6Gateway" },
     { NULL, EP("'GlobalIPv6Address':'x'"), AT "GlobalIPv6Address" },
     { NULL, EP("'IPPrefixLen':-1"), AT "IPPrefixLen" },
     { NULL, EP("'GlobalIPv6PrefixLen':1"), AT "GlobalIPv6PrefixLen" },
     { NULL, EP("'IPAMConfig':{'LinkLocalIPs':[null]}"), AT "IPAMConfig/LinkLocalIPs" },
     { NULL, EP("'MacAddress':'x'"), AT "MacAddress" }, { NULL, EP("'Links':['']"), AT "Links" },
     { NULL, EP("'DriverOpts':{'a':[]}"), AT "DriverOpts" }, { NULL, EP("'GwPriority':-1"), AT "GwPriority" },
     { NULL, EP("'NetworkID':'x','EndpointID':5,'DNSNames':{}"), "ok" }, { NULL, "{'MacAddress':' '}", "ok" },
     { NET("allow_aliases: false"), EP("'Aliases':[null]"), AT "Aliases" }, { NULL, EP("'Aliases':[]"), "ok" },
     { NET("allow_static_addressing: true"), EP("'IPAMConfig':{'IPv4Address':'x'},'Gateway':'y','IPPrefixLen':5"),
       "ok" },
     { NULL, EP("'IPAMConfig':{'LinkLocalIPs':['x']}"), AT "IPAMConfig/LinkLocalIPs" },
     { NET("allow_link_local_ips: true"), EP("'IPAMConfig':{'LinkLocalIPs':['x']}"), "ok" },
     { NET("allow_mac_pinning: true"),
       "{'MacAddress':'x','NetworkingConfig':{'EndpointsConfig':{'n':{'MacAddress':'y'}}}}", "ok" },
     { NET("allow_gw_priority: true"), EP("'GwPriority':5"), "ok" }, { NULL, "{'MacAddress':'x'}", "/MacAddress" },
     { "request_body: {network: {allow_endpoint_config: true}}",
       EP("'GwPriority':5,'Links':['x'],'DriverOpts':{'a':1},'Aliases':['a'],'Gateway':'g'"), "ok" })

/* 29 to 32 */
#define SO(entries) HC("'SecurityOpt':[" entries "]")
#define OPT(i) "/HostConfig/SecurityOpt/" i
ROWS(a_security_option_is_split_once,
     { CC("deny_unconfined_seccomp: true, deny_unconfined_apparmor: true, allowed_seccomp_profiles: [default, "
          "unconfined], allowed_apparmor_profiles: [runtime/default, ' p ']"),
       SO("'seccomp=unconfined'"), OPT("0") },
     { NULL, SO("'seccomp=default','apparmor=p'"), "ok" }, { NULL, SO("'\\u00a0SECCOMP\\t:\\u2003default '"), "ok" },
     { NULL, SO("'seccomp=Default'"), OPT("0") }, { NULL, SO("'seccomp'"), "ok" }, { NULL, SO("'seccomp='"), OPT("0") },
     { NULL, SO("'seccomp:=default'"), OPT("0") }, { NULL, SO("'\\u017feccomp=x'"), "ok" },
     { NULL, SO("'seccomp=default','seccomp=x'"), OPT("1") }, { NULL, SO("'apparmor=UNCONFINED'"), OPT("0") },
     { NULL, SO("null,'','=','apparmor:q'"), OPT("3") }, { NULL, "{}", "ok" },
     { CC("allowed_apparmor_profiles: [p]"), "{}", "/HostConfig/SecurityOpt" },
     { NULL, SO("'apparmor'"), "/HostConfig/SecurityOpt" }, { NULL, SO("'apparmor=p'"), "ok" },
     { CC("allowed_apparmor_profiles: [default]"), "{}", "ok" },
     { CC("allowed_seccomp_profiles: [docker-default]"), "{}", "/HostConfig/SecurityOpt" },
     { CC("deny_selinux_disable: true"), SO("'label:DISABLE'"), OPT("0") },
     { NULL, SO("'label=d\\u0130sable'"), OPT("0") }, { NULL, SO("' Disable '"), OPT("0") },
     { NULL, SO("'label=type:x','disable=1','label'"), "ok" },
     { CC("deny_selinux_label_override: true"), SO("'label=disable'"), "ok" }, { NULL, SO("'label='"), OPT("0") },
     { NULL, SO("'label:type:x'"), OPT("0") },
     { CC("deny_unconfined_system_paths: true"), SO("'systempaths:Unconfined'"), OPT("0") },
     { NULL, SO("'systempaths=default','systempaths'"), "ok" }, { "", SO("'systempaths=unconfined'"), "ok" },
     { "", SO("'writable-cgroups:TRUE'"), OPT("0") }, { NULL, SO("'writable-cgroups'"), OPT("0") },
     { NULL, SO("'writable-cgroups=false'"), "ok" },
     { CC("allow_writable_cgroups: true"), SO("'writable-cgroups=1'"), "ok" })

ROWS(capabilities_are_named_literally,
     { CC("allowed_capabilities: [net_admin, ' CAP_SYS_TIME ']"),
       HC("'CapAdd':['cap_net_admin','\\u00a0SYS_TIME','',null,' ','CAP_']"), "ok" },
     { NULL, HC("'CapAdd':['CAP_CAP_NET_ADMIN']"), "/HostConfig/CapAdd/0" },
     { NULL, HC("'CapAdd':['all']"), "/HostConfig/CapAdd/0" }, { NULL, HC("'CapAdd':['net_adm\\u0131n']"), "ok" },
     { NULL, HC("'CapAdd':['\\u017fy\\u017f_time']"), "ok" },
     { NULL, HC("'CapAdd':['SYS_TIME','NET_RAW']"), "/HostConfig/CapAdd/1" },
     { CC("allowed_capabilities: [all]"), HC("'CapAdd':['ALL']"), "ok" },
     { NULL, HC("'CapAdd':['SYS_ADMIN']"), "/HostConfig/CapAdd/0" },
     { CC("allow_all_capabilities: true"), HC("'CapAdd':['x']"), "ok" })

ROWS(no_new_privileges_is_on_and_stays_on,
     { CC("require_no_new_privileges: true"), SO("'no-new-privileges=TRUE'"), "ok" },
     { NULL, SO("'No-New-Privileges'"), "ok" }, { NULL, SO("'no-new-privilege\\u017f: true '"), "ok" },
     { NULL, SO("'no-new-privileges :true'"), "/HostConfig/SecurityOpt" },
     { NULL, SO("'no-new-privileges:1'"), "/HostConfig/SecurityOpt" },
     { NULL, SO("'no-new-privileges:'"), "/HostConfig/SecurityOpt" },
     { NULL, SO("'no-new-privileges:false','no-new-privileges'"), "/HostConfig/SecurityOpt" },
     { NULL, SO("null"), "/HostConfig/SecurityOpt" }, { "", SO("'no-new-privileges:false'"), "ok" })

/* 33 to 37 */
ROWS(a_user_is_somebody_else_than_root, { CC("require_non_root_user: true"), "{'User':'app'}", "ok" },
     { NULL, "{'User':' \\u3000'}", "/User" }, { NULL, "{'User':':5'}", "/User" }, { NULL, "{'User':' : '}", "/User" },
     { NULL, "{'User':'RooT:x'}", "/User" }, { NULL, "{'User':'root '}", "/User" }, { NULL, "{'User':'0:5'}", "/User" },
     { NULL, "{'User':'0000000000000000000000'}", "/User" }, { NULL, "{'User':'-0'}", "/User" },
     { NULL, "{'User':'+00:0'}", "/User" }, { NULL, "{'User':'+-0'}", "ok" }, { NULL, "{'User':'0x0'}", "ok" },
     { NULL, "{'User':'01'}", "ok" }, { NULL, "{'User':'1:0'}", "ok" }, { NULL, "{'User':'rooter'}", "ok" },
     { NULL, "{'User':null}", "/User" }, { NULL, "{'user':'0'}", "/User" })

ROWS(rails_want_what_they_say,
     { CC("require_readonly_rootfs: true"), HC("'ReadonlyRootfs':false"), "/HostConfig/ReadonlyRootfs" },
     { NULL, HC("'readonlyrootf\\u017f':true"), "ok" },
     { NULL, HC("'ReadonlyRootfs':null"), "/HostConfig/ReadonlyRootfs" },
     { CC("require_drop_all_capabilities: true"), HC("'CapDrop':['x','\\u00a0aLL']"), "ok" },
     { NULL, HC("'CapDrop':['CAP_ALL']"), "/HostConfig/CapDrop" },
     { NULL, HC("'CapDrop':null"), "/HostConfig/CapDrop" },
     { CC("require_memory_limit: true"), HC("'Memory':-1"), "/HostConfig/Memory" }, { NULL, HC("'Memory':1"), "ok" },
     { NULL, "{'HostConfig':null}", "/HostConfig/Memory" },
     { CC("require_cpu_limit: true"), HC("'CpuPeriod':1"), "ok" },
     { NULL, HC("'CpuPeriod':-1,'CpuQuota':0,'CpuShares':-2"), "/HostConfig/NanoCpus" },
     { NULL, HC("'CpusetCpus':'0'"), "/HostConfig/NanoCpus" },
     { CC("require_cpu_limit_hard: true"), HC("'CpuPeriod':5,'CpuShares':5"), "/HostConfig/NanoCpus" },
     { NULL, HC("'CpuQuota':1"), "ok" }, { NULL, HC("'NanoCpus':1"), "ok" },
     { CC("require_pids_limit: true"), HC("'PidsLimit':0"), "/HostConfig/PidsLimit" },
     { NULL, HC("'PidsLimit':null"), "/HostConfig/PidsLimit" }, { NULL, HC("'PidsLimit':1"), "ok" },
     { CC("required_labels: [' team ', Env]"), "{'Labels':{'team':'x','Env':'y'}}", "ok" },
     { NULL, "{'Labels':{'team':'x','env':'y'}}", "/Labels/Env" },
     { NULL, "{'Labels':{'team':'\\u2003','Env':'y'}}", "/Labels/team" },
     { NULL, "{'Labels':{'team':null,'Env':'y'}}", "/Labels/team" },
     { NULL, "{'label\\u017f':{'team':'x','Env':'y'}}", "ok" }, { NULL, "{'Labels':null}", "/Labels/team" },
     { NULL, "", "ok" })

/* 11, item 18 */
ROWS(top_level_host_configuration_is_denied_in_any_spelling,
     { CC("allow_all_capabilities: true"), "{'capadd':[]}", "/capadd" }, { NULL, "{'Bind\\u017f':[]}", "/Bind\u017f" },
     { NULL, "{'MEMORY':0}", "/MEMORY" }, { NULL, "{'Cpuset':''}", "/Cpuset" },
     { NULL, "{'Privileged':null,'Binds':null}", "ok" }, { NULL, "{'Runtime':''}", "ok" },
     { NULL, "{'Runtime':5}", "/Runtime" }, { NULL, "{'Runtime':'','Privileged':true}", "/Privileged" },
     { NULL, "{'Privileged':false,'Binds':[]}", "/Privileged" }, { NULL, "{'Bind\\u0073':1}", "/Binds" },
     { NULL, "{'Runtime':null,'runtim\\u0065':'x'}", "" },
     { NULL, "{'Env':[],'Cmd':null,'Healthcheck':{},'Shell':[],'OnBuild':null,'ArgsEscaped':true}", "ok" },
     { NULL, "{'HostConfigs':{},'Privilege':true}", "ok" })

CHECK_MAIN(CHECK_TEST(host_is_host_whatever_surrounds_it), CHECK_TEST(a_shared_namespace_is_named_exactly),
           CHECK_TEST(one_element_is_enough), CHECK_TEST(a_device_request_asks_for_no_more_than_an_entry_gives),
           CHECK_TEST(device_rules_and_devices_are_compared_as_texts),
           CHECK_TEST(a_bind_is_below_an_allowed_path_after_cleaning), CHECK_TEST(a_subpath_stays_inside),
           CHECK_TEST(an_inline_driver_is_judged_by_the_volume_policy),
           CHECK_TEST(an_endpoint_asks_for_nothing_special), CHECK_TEST(a_security_option_is_split_once),
           CHECK_TEST(capabilities_are_named_literally), CHECK_TEST(no_new_privileges_is_on_and_stays_on),
           CHECK_TEST(a_user_is_somebody_else_than_root), CHECK_TEST(rails_want_what_they_say),
           CHECK_TEST(top_level_host_configuration_is_denied_in_any_spelling))
