/* SPDX-License-Identifier: Apache-2.0 */
#include "response/redact.h"

/*
 * Every redaction, named after Docker's own structures (API 1.24 to 1.52; libpod 4 and 5). `when` of a row that goes
 * deeper is what its inner rows need together: a structure nobody redacts is not looked into. Lines show the nesting.
 */

/* clang-format off */

#define E REDACT_ENV
#define M REDACT_MOUNTS
#define N REDACT_NETWORK
#define S REDACT_SENSITIVE
#define H REDACT_HOST
#define X REDACT_EXTENDED

#define ROW(op_, name_, when_) { .name = name_, .name_len = sizeof(name_) - 1, .op = REDACT_##op_, .when = when_ }
#define DEEP(op_, name_, when_, ...) \
        { .name = name_, .name_len = sizeof(name_) - 1, .op = REDACT_##op_, .when = when_, .inside = (const struct redact_step[]) { __VA_ARGS__, { 0 } } }
#define LIKE(op_, name_, when_, steps_) { .name = name_, .name_len = sizeof(name_) - 1, .op = REDACT_##op_, .when = when_, .inside = steps_ }

static const struct redact_step mount_point[] = { ROW(STR, "Source", M), { 0 } };
static const struct redact_step mountpoint_of[] = { ROW(STR, "Mountpoint", M), { 0 } };

static const struct redact_step tls_info[] = {
        ROW(STR, "TrustRoot", S),
        ROW(STR, "CertIssuerSubject", S),
        ROW(STR, "CertIssuerPublicKey", S),
        { 0 },
};

/* ---- containers ---- */

static const struct redact_step endpoint_settings[] = {
        ROW(STR, "EndpointID", N),
        ROW(STR, "Gateway", N),
        ROW(STR, "GlobalIPv6Address", N),
        ROW(STR, "IPAddress", N),
        ROW(STR, "IPv6Gateway", N),
        ROW(STR, "MacAddress", N),
        ROW(STR, "NetworkID", N),
        ROW(NUM, "GlobalIPv6PrefixLen", N),
        ROW(NUM, "IPPrefixLen", N),
        ROW(ANY, "IPAMConfig", N | X),
        ROW(ANY, "DNSNames", N | X),
        ROW(ANY, "Aliases", N | X),
        ROW(ANY, "Links", N | X),
        ROW(ANY, "DriverOpts", N | X),
        { 0 },
};

static const struct redact_step network_settings[] = {
        ROW(STR, "Bridge", N),
        ROW(STR, "EndpointID", N),
        ROW(STR, "Gateway", N),
        ROW(STR, "GlobalIPv6Address", N),
        ROW(STR, "IPAddress", N),
        ROW(STR, "IPv6Gateway", N),
        ROW(STR, "LinkLocalIPv6Address", N),
        ROW(STR, "MacAddress", N),
        ROW(STR, "SandboxID", N),
        ROW(STR, "SandboxKey", N),
        ROW(NUM, "GlobalIPv6PrefixLen", N),
        ROW(NUM, "IPPrefixLen", N),
        ROW(NUM, "LinkLocalIPv6PrefixLen", N),
        ROW(ARR, "SecondaryIPAddresses", N),
        ROW(ARR, "SecondaryIPv6Addresses", N),
        LIKE(MAP, "Networks", N, endpoint_settings),
        DEEP(MAP_EACH, "Ports", N | X, ROW(STR, "HostIp", N | X)),
        { 0 },
};

static const struct redact_step container_inspect[] = {
        DEEP(INTO, "Config", E, ROW(SET_ARR, "Env", E)),
        LIKE(EACH, "Mounts", M, mount_point),
        DEEP(INTO, "HostConfig", M | N,
             LIKE(EACH, "Mounts", M, mount_point),
             ROW(ARR, "MaskedPaths", M),
             ROW(ARR, "ReadonlyPaths", M),
             ROW(BINDS, "Binds", M),
             ROW(STR, "NetworkMode", N),
             DEEP(EACH, "Devices", M | X, ROW(STR, "PathOnHost", M | X)),
             ROW(STR, "ContainerIDFile", M | X),
             ROW(ANY, "ExtraHosts", N | X),
             ROW(ANY, "Links", N | X),
             ROW(ANY, "Dns", N | X),
             ROW(ANY, "PortBindings", N | X)),
        LIKE(INTO, "NetworkSettings", N, network_settings),
        ROW(STR, "LogPath", M | X),
        ROW(STR, "ResolvConfPath", M | X),
        ROW(STR, "HostnamePath", M | X),
        ROW(STR, "HostsPath", M | X),
        DEEP(INTO, "GraphDriver", M | X, ROW(ANY, "Data", M | X)),
        { 0 },
};

static const struct redact_step container_entry[] = {
        LIKE(EACH, "Mounts", M, mount_point),
        DEEP(INTO, "HostConfig", N, ROW(STR, "NetworkMode", N)),
        LIKE(INTO, "NetworkSettings", N, network_settings),
        { 0 },
};

/* ---- networks and volumes ---- */

static const struct redact_step network[] = {
        DEEP(INTO, "IPAM", N, ROW(SET_ARR, "Config", N)),
        ROW(OBJ, "Status", N),
        ROW(OBJ, "Containers", N),
        ROW(LIST, "Peers", N),
        ROW(ANY, "Services", N | X),
        { 0 },
};

static const struct redact_step volume[] = {
        ROW(STR, "Mountpoint", M),
        DEEP(INTO, "Options", M | X, ROW(STR, "device", M | X)),
        ROW(ANY, "Status", M | X),
        { 0 },
};

static const struct redact_step volume_list[] = { LIKE(EACH, "Volumes", M, volume), { 0 } };

/* ---- swarm ---- */

static const struct redact_step container_spec[] = {
        ROW(ARR, "Env", E),
        LIKE(EACH, "Mounts", M, mount_point),
        DEEP(EACH, "Secrets", S, ROW(STR, "SecretID", S), ROW(STR, "SecretName", S)),
        DEEP(EACH, "Configs", S, ROW(STR, "ConfigID", S), ROW(STR, "ConfigName", S)),
        { 0 },
};

static const struct redact_step service_spec[] = {
        DEEP(INTO, "TaskTemplate", E | M | S | N,
             LIKE(INTO, "ContainerSpec", E | M | S | N, container_spec),
             ROW(ANY, "Networks", N | X)),
        ROW(ANY, "Networks", N | X),
        { 0 },
};

static const struct redact_step service[] = {
        LIKE(INTO, "Spec", E | M | S | N, service_spec),
        LIKE(INTO, "PreviousSpec", E | M | S | N, service_spec),
        DEEP(INTO, "Endpoint", N,
             DEEP(EACH, "VirtualIPs", N, ROW(STR, "NetworkID", N), ROW(STR, "Addr", N)),
             ROW(ANY, "Ports", N | X)),
        { 0 },
};

static const struct redact_step task[] = {
        DEEP(INTO, "Spec", E | M | S | N,
             LIKE(INTO, "ContainerSpec", E | M | S | N, container_spec),
             ROW(ANY, "Networks", N | X)),
        ROW(STR, "ServiceID", N),
        ROW(STR, "NodeID", N),
        DEEP(INTO, "Status", N,
             DEEP(INTO, "ContainerStatus", N, ROW(STR, "ContainerID", N), ROW(NUM, "PID", N))),
        DEEP(EACH, "NetworksAttachments", N,
             ROW(ARR, "Addresses", N),
             DEEP(INTO, "Network", N,
                  ROW(STR, "ID", N),
                  DEEP(INTO, "IPAMOptions", N, ROW(ARR, "Configs", N)))),
        { 0 },
};

static const struct redact_step spec_data[] = { DEEP(INTO, "Spec", S, ROW(STR, "Data", S)), { 0 } };

static const struct redact_step node[] = {
        DEEP(INTO, "Status", N, ROW(STR, "Addr", N)),
        DEEP(INTO, "ManagerStatus", N, ROW(STR, "Addr", N)),
        DEEP(INTO, "Description", S, LIKE(INTO, "TLSInfo", S, tls_info)),
        { 0 },
};

static const struct redact_step swarm[] = {
        DEEP(INTO, "JoinTokens", S, ROW(STR, "Worker", S), ROW(STR, "Manager", S)),
        LIKE(INTO, "TLSInfo", S, tls_info),
        DEEP(INTO, "Spec", S,
             DEEP(INTO, "CAConfig", S,
                  ROW(STR, "SigningCACert", S),
                  ROW(STR, "SigningCAKey", S),
                  ROW(ARR, "ExternalCAs", S))),
        ROW(ARR, "DefaultAddrPool", N),
        { 0 },
};

static const struct redact_step unlock_key[] = { ROW(STR, "UnlockKey", S), { 0 } };

/* ---- plugins ---- */

static const struct redact_step device_path[] = { ROW(STR, "Path", M), { 0 } };

static const struct redact_step plugin[] = {
        DEEP(INTO, "Settings", E | M,
             ROW(ENVS, "Env", E),
             LIKE(EACH, "Mounts", M, mount_point),
             LIKE(EACH, "Devices", M, device_path)),
        DEEP(INTO, "Config", E | M,
             DEEP(EACH, "Env", E, ROW(STR, "Value", E)),
             LIKE(EACH, "Mounts", M, mount_point),
             ROW(STR, "PropagatedMount", M),
             DEEP(INTO, "Linux", M, LIKE(EACH, "Devices", M, device_path))),
        { 0 },
};

/* ---- the daemon itself ---- */

static const struct redact_step info[] = {
        ROW(ANY, "Containerd", H),
        ROW(ANY, "FirewallBackend", H),
        ROW(ANY, "DiscoveredDevices", H),
        ROW(ANY, "NRI", H),
        DEEP(INTO, "Swarm", N | S,
             ROW(STR, "NodeID", N),
             ROW(STR, "NodeAddr", N),
             ROW(ARR, "RemoteManagers", N),
             DEEP(INTO, "Cluster", N | S,
                  ROW(ARR, "DefaultAddrPool", N),
                  LIKE(INTO, "TLSInfo", S, tls_info),
                  ROW(ANY, "JoinTokens", S | X))),
        ROW(STR, "HttpProxy", S | X),
        ROW(STR, "HttpsProxy", S | X),
        ROW(ANY, "RegistryConfig", S | X),
        { 0 },
};

/* Both shapes of `docker system df`: the lists of API 1.52, and the older ones at the top (4.9, item 1). */
static const struct redact_step disk_usage[] = {
        DEEP(INTO, "ContainerUsage", M | N, LIKE(EACH, "Items", M | N, container_entry)),
        DEEP(INTO, "VolumeUsage", M, LIKE(EACH, "Items", M, mountpoint_of)),
        LIKE(EACH, "Containers", M | N, container_entry),
        LIKE(EACH, "Volumes", M, mountpoint_of),
        { 0 },
};

/* ---- images, only with redact_extended ---- */

static const struct redact_step image_inspect[] = {
        DEEP(INTO, "Config", E | X, ROW(ARR, "Env", E | X)),
        DEEP(INTO, "ContainerConfig", E | X, ROW(ARR, "Env", E | X)),
        { 0 },
};

static const struct redact_step image_history[] = { ROW(STR, "CreatedBy", E | X), { 0 } };

/* ---- libpod (4.9, item 3) ---- */

static const struct redact_step libpod_container_inspect[] = {
        DEEP(INTO, "Config", E, ROW(SET_ARR, "Env", E), ROW(ARR, "CreateCommand", E)),
        LIKE(EACH, "Mounts", M, mount_point),
        DEEP(INTO, "HostConfig", M | N, ROW(BINDS, "Binds", M), ROW(STR, "NetworkMode", N),
             ROW(STR, "ContainerIDFile", M | X), ROW(ANY, "PortBindings", N | X), ROW(ANY, "ExtraHosts", N | X)),
        LIKE(INTO, "NetworkSettings", N, network_settings),
        ROW(STR, "StaticDir", M),
        ROW(STR, "OCIConfigPath", M),
        ROW(STR, "Rootfs", M),
        ROW(STR, "ResolvConfPath", M | X),
        ROW(STR, "HostnamePath", M | X),
        ROW(STR, "HostsPath", M | X),
        DEEP(INTO, "GraphDriver", M | X, ROW(ANY, "Data", M | X)),
        { 0 },
};

/* Podman's list names only where mounts end; what carries a source all the same loses it. */
static const struct redact_step libpod_entry[] = {
        LIKE(SOME, "Mounts", M, mount_point),
        LIKE(INTO, "NetworkSettings", N, network_settings),
        { 0 },
};

static const struct redact_step libpod_pod_inspect[] = {
        ROW(ARR, "CreateCommand", E),
        LIKE(SOME, "mounts", M, mount_point),
        LIKE(SOME, "Mounts", M, mount_point),
        DEEP(INTO, "InfraConfig", N, ROW(ANY, "StaticIP", N), ROW(ANY, "StaticMAC", N), ROW(ARR, "HostAdd", N),
             ROW(ARR, "DNSServer", N)),
        { 0 },
};

static const struct redact_step libpod_network[] = {
        ROW(ARR, "subnets", N),
        ROW(ARR, "routes", N),
        ROW(STR, "network_interface", N),
        ROW(OBJ, "containers", N),
        { 0 },
};

static const struct redact_step libpod_secret[] = {
        ROW(STR, "SecretData", S),
        DEEP(INTO, "Spec", S, ROW(STR, "Data", S)),
        { 0 },
};

static const struct redact_step libpod_info[] = {
        DEEP(INTO, "host", N | H,
             ROW(ANY, "remoteSocket", H),
             ROW(ANY, "ociRuntime", H),
             ROW(ANY, "conmon", H),
             ROW(ANY, "networkBackendInfo", N | H),
             ROW(ANY, "slirp4netns", N | H),
             ROW(ANY, "pasta", N | H)),
        DEEP(INTO, "store", M,
             ROW(STR, "graphRoot", M),
             ROW(STR, "runRoot", M),
             ROW(STR, "volumePath", M),
             ROW(STR, "configFile", M)),
        { 0 },
};

static const struct redact_step libpod_disk_usage[] = {
        LIKE(EACH, "Volumes", M, mountpoint_of),
        { 0 },
};

/* The first row that fits the path and is switched on. Inspect rows come after the literal paths they would swallow. */
const struct redact_row redact_rows[] = {
        { "/containers/json", REDACT_ARRAY, M | N, false, container_entry, NULL },
        { "/containers/{1}/json", REDACT_OBJECT, E | M | N | S | H, false, container_inspect, NULL },
        { "/containers/{}/json", REDACT_OBJECT, E | M | N | S | H, true, container_inspect, NULL }, /* by the name of a legacy link */
        { "/networks", REDACT_ARRAY, N, false, network, NULL },
        { "/networks/{1}", REDACT_OBJECT, N, false, network, NULL },
        { "/networks/{}", REDACT_OBJECT, N, true, network, NULL },
        { "/volumes", REDACT_OBJECT, M, false, volume_list, NULL },
        { "/volumes/{1}", REDACT_OBJECT, M, false, volume, NULL },
        { "/volumes/{}", REDACT_OBJECT, M, true, volume, NULL },
        { "/services", REDACT_ARRAY, E | M | N | S, false, service, NULL },
        { "/services/{1}", REDACT_OBJECT, E | M | N | S, false, service, NULL },
        { "/tasks", REDACT_ARRAY, E | M | N | S, false, task, NULL },
        { "/tasks/{1}", REDACT_OBJECT, E | M | N | S, false, task, NULL },
        { "/secrets", REDACT_ARRAY, S, false, spec_data, NULL },
        { "/secrets/{1}", REDACT_OBJECT, S, false, spec_data, NULL },
        { "/configs", REDACT_ARRAY, S, false, spec_data, NULL },
        { "/configs/{1}", REDACT_OBJECT, S, false, spec_data, NULL },
        { "/plugins", REDACT_ARRAY, E | M, false, plugin, NULL },
        { "/plugins/{}/json", REDACT_OBJECT, E | M, false, plugin, NULL },
        { "/nodes", REDACT_ARRAY, N | S, false, node, NULL },
        { "/nodes/{1}", REDACT_OBJECT, N | S, false, node, NULL },
        { "/swarm", REDACT_OBJECT, N | S, false, swarm, NULL },
        { "/swarm/unlockkey", REDACT_OBJECT, S, false, unlock_key, NULL },
        { "/info", REDACT_OBJECT, N | S | H, false, info, NULL },
        { "/system/df", REDACT_OBJECT, M | N, false, disk_usage, NULL },
        { "/images/{}/json", REDACT_OBJECT, E | X, false, image_inspect, NULL },
        { "/images/{}/history", REDACT_ARRAY, E | X, false, image_history, NULL },
        { "/libpod/containers/json", REDACT_ARRAY, M | N, false, libpod_entry, NULL },
        { "/libpod/containers/{1}/json", REDACT_OBJECT, E | M | N | S | H, false, libpod_container_inspect, NULL },
        { "/libpod/pods/{1}/json", REDACT_OBJECT, E | M | N, false, libpod_pod_inspect, NULL },
        { "/libpod/networks/json", REDACT_ARRAY, N, false, libpod_network, NULL },
        { "/libpod/networks/{1}/json", REDACT_EITHER, N, false, libpod_network, libpod_network },
        { "/libpod/volumes/json", REDACT_EITHER, M, false, volume, volume_list },
        { "/libpod/volumes/{1}/json", REDACT_OBJECT, M, false, volume, NULL },
        { "/libpod/secrets/json", REDACT_ARRAY, S, false, libpod_secret, NULL },
        { "/libpod/secrets/{1}/json", REDACT_OBJECT, S, false, libpod_secret, NULL },
        { "/libpod/info", REDACT_OBJECT, M | N | H, false, libpod_info, NULL },
        { "/libpod/system/df", REDACT_OBJECT, M, false, libpod_disk_usage, NULL },
        { 0 },
};

/* clang-format on */
