/* SPDX-License-Identifier: Apache-2.0 */
#include "bodies.h"
#include "check.h"

static struct fake f;

static void expect(enum inspect_outcome want, const char *line, const char *body) {
        enum inspect_outcome got = bodies_json(&f, line, body);

        if (got != want) {
                fprintf(stderr, "%s %s: outcome %d, want %d\n", line, body, got, want);
                CHECK(false);
        }
}

#define DENIED(line, body) expect(INSPECT_DENY, line, body)
#define PASSES(line, body) expect(INSPECT_PASS, line, body)

#define VOLUME "POST /v1.41/volumes/create"

static void volumes_get_no_driver_and_no_options(void) {
        struct opt_volume *o = &bodies_options(&f)->volume;

        fake_init(&f);
        PASSES(VOLUME, "");
        PASSES(VOLUME, "null");
        PASSES(VOLUME, "{\"Name\":\"x\",\"Driver\":\" LOCAL \",\"Labels\":{\"a\":\"b\"}}");
        DENIED(VOLUME, "{\"Driver\":\"nfs\"}");
        DENIED(VOLUME, "{\"dr\xc4\xb1ver\":1,\"Driver\":1}");
        DENIED(VOLUME, "{\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/\"}}");
        DENIED(VOLUME, "{\"Opt\xc5\xbf\":{\"a\":null}}");
        DENIED(VOLUME, "{\"DriverOpts\":{\"a\":1}}");
        DENIED(VOLUME, "{\"DriverOpts\":{\"a\":\"b\"},\"driveropts\":null}");
        DENIED(VOLUME, "{\"ClusterVolumeSpec\":{}}");
        DENIED(VOLUME, "[]");
        o->allow_driver_opts = true;
        PASSES(VOLUME, "{\"DriverOpts\":{\"device\":\"/\"}}");
        o->allowed_devices = fake_strs(&f, "/srv/data");
        DENIED(VOLUME, "{\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/\"}}");
        DENIED(VOLUME, "{\"DriverOpts\":{\"device\":\"/srv/data/../../etc\"}}");
        PASSES(VOLUME, "{\"DriverOpts\":{\"device\":\"/srv/data/x\"}}");
        PASSES(VOLUME, "{\"DriverOpts\":{\"device\":\"/srv/data/x\",\"type\":\"none\",\"o\":\"bind,ro\"}}");
        DENIED(VOLUME,
               "{\"DriverOpts\":{\"device\":\"/srv/data/x\",\"type\":\"overlay\",\"o\":\"lowerdir=etc:root\"}}");
        DENIED(VOLUME, "{\"DriverOpts\":{\"device\":\"/srv/data/x\",\"type\":\"xfs\",\"o\":\"logdev=/dev/sda\"}}");
        fake_done(&f);
}

#define NETWORK "POST /networks/create"
#define CONNECT "POST /networks/n/connect"

static void networks_are_gated_member_by_member(void) {
        fake_init(&f);
        bodies_options(&f)->network.endpoint_config.allow_aliases = true;
        PASSES(NETWORK, "{\"Name\":\"x\",\"Driver\":\"bridge\",\"Internal\":true}");
        DENIED(NETWORK, "{\"Driver\":\"default\"}");
        DENIED(NETWORK, "{\"Driver\":\"weave\"}");
        DENIED(NETWORK, "{\"Scope\":\" SWARM \"}");
        DENIED(NETWORK, "{\"Ingress\":true}");
        DENIED(NETWORK, "{\"Attachable\":true}");
        DENIED(NETWORK, "{\"ConfigOnly\":true}");
        DENIED(NETWORK, "{\"ConfigFrom\":{}}");
        PASSES(NETWORK, "{\"ConfigFrom\":null,\"IPAM\":null,\"EnableIPv4\":null}");
        DENIED(NETWORK, "{\"IPAM\":{\"Driver\":\"dhcp\"}}");
        DENIED(NETWORK, "{\"IPAM\":{\"Config\":[null]}}");
        DENIED(NETWORK, "{\"IPAM\":{\"Options\":{\"a\":1}}}");
        DENIED(NETWORK, "{\"Options\":{\"a\":{}}}");
        DENIED(NETWORK, "{\"EnableIPv4\":false}");
        DENIED(NETWORK, "{\"Driver\":\"bridge\",\"driver\":\"evil\"}");
        PASSES(CONNECT, "{\"Container\":\"c\",\"EndpointConfig\":{\"Aliases\":[\"a\"]}}");
        DENIED(CONNECT, "{\"EndpointConfig\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.1\"}}}");
        DENIED(CONNECT, "{\"EndpointConfig\":{\"MacAddress\":\"02:00:00:00:00:01\"}}");
        DENIED("POST /networks/a/b/connect", "{\"EndpointConfig\":{\"Links\":[\"x\"]}}");
        DENIED("POST /networks/n/disconnect", "{\"Force\":true}");
        PASSES("POST /networks/n/disconnect", "{\"Force\":false}");
        fake_done(&f);
}

static void secrets_keep_to_the_builtin_drivers(void) {
        fake_init(&f);
        PASSES("POST /secrets/create", "{\"Name\":\"s\",\"Data\":\"eA==\"}");
        DENIED("POST /secrets/create", "{\"Driver\":\"vault\"}");
        DENIED("POST /secrets/create", "{\"Driver\":{\"Name\":\"vault\"}}");
        DENIED("POST /secrets/create", "{\"Driver\":{\"Name\":\"\"}}");
        PASSES("POST /secrets/create", "{\"Driver\":\" \",\"TemplateDriver\":null}");
        DENIED("POST /secrets/create", "{\"Driver\":[]}");
        DENIED("POST /configs/create", "{\"TemplateDriver\":\"golang\"}");
        DENIED("POST /configs/create", "{\"Templating\":{\"Name\":\"golang\"}}");
        bodies_options(&f)->secret.allow_custom_drivers = true;
        PASSES("POST /secrets/create", "{\"Driver\":{\"Name\":\"vault\",\"Options\":{\"a\":\"b\"}}}");
        DENIED("POST /libpod/secrets/create?name=x&driver=file", "data");
        DENIED("POST /libpod/secrets/create?name=x&driveropts=path", "data");
        PASSES("POST /libpod/secrets/create?name=x", "data");
        fake_done(&f);
}

#define SERVICE "POST /services/create"
#define CONTAINER(members) "{\"TaskTemplate\":{\"ContainerSpec\":{" members "}}}"

static void services_are_judged_like_containers(void) {
        struct opt_service *o = &bodies_options(&f)->service;

        fake_init(&f);
        o->allow_official = true;
        PASSES(SERVICE, CONTAINER("\"Image\":\"busybox:latest@sha256:00\",\"Mounts\":[{\"Type\":\"volume\",\"Source\":"
                                  "\"v\",\"Target\":\"/d\"}]"));
        DENIED(SERVICE, CONTAINER("\"Image\":\"evil.io/x\""));
        DENIED(SERVICE, CONTAINER("\"Image\":\"EVIL/x\""));
        DENIED(SERVICE, CONTAINER("\"Image\":\"a//b\""));
        DENIED(SERVICE, "{\"Networks\":[{\"Target\":\"host\"}]}");
        DENIED(SERVICE, "{\"TaskTemplate\":{\"Networks\":[{\"Target\":\" HO\xc5\xbfT \"}]}}");
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/\"}]"));
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Type\":\" bind\",\"Source\":\"/\"}]"));
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"etc\"}]"));
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Source\":\"/etc\",\"Target\":\"/x\"}]")); /* read as a bind there */
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Type\":\"npipe\",\"Source\":\"x\"}]"));
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Type\":\"cluster\",\"Source\":\"x\"}]"));
        DENIED(SERVICE, CONTAINER("\"Mounts\":[{\"Type\":\"volume\",\"VolumeOptions\":{\"DriverConfig\":{\"Name\":"
                                  "\"local\",\"Options\":{\"o\":\"bind\"}}}}]"));
        DENIED(SERVICE, CONTAINER("\"CapabilityAdd\":[\"CAP_SYS_ADMIN\"]"));
        DENIED(SERVICE, CONTAINER("\"Sysctls\":{\"a\":\"b\"}"));
        DENIED(SERVICE, CONTAINER("\"Hosts\":[\"1.2.3.4 x\"]"));
        DENIED(SERVICE, CONTAINER("\"Isolation\":\"process\""));
        DENIED(SERVICE, CONTAINER("\"Ulimits\":[{\"Name\":\"nofile\"}]"));
        DENIED(SERVICE, CONTAINER("\"Privileges\":{\"CredentialSpec\":{\"File\":\"x\"}}"));
        DENIED(SERVICE, "{\"TaskTemplate\":{\"Runtime\":\"plugin\",\"PluginSpec\":{\"Remote\":\"evil.io/p\"}}}");
        DENIED(SERVICE, "{\"TaskTemplate\":{\"PluginSpec\":{}}}");
        DENIED(SERVICE, "{\"TaskTemplate\":{\"NetworkAttachmentSpec\":{\"ContainerID\":\"x\"}}}");
        PASSES(SERVICE, "{\"TaskTemplate\":{\"Runtime\":\"container\",\"PluginSpec\":null}}");
        DENIED("POST /services/a/b/update", CONTAINER("\"Image\":\"evil.io/x\""));
        o->require_non_root_user = true;
        DENIED(SERVICE, CONTAINER("\"Image\":\"busybox\""));
        DENIED(SERVICE, CONTAINER("\"User\":\"+0:1\""));
        PASSES(SERVICE, CONTAINER("\"User\":\"1000\""));
        fake_done(&f);
}

static void the_hosts_network_has_ids_too(void) {
        struct lookup answers[INSPECT_HOST_NETWORKS] = { { .status = 200,
                                                           .body = SLICE("{\"Id\":\"0a1b2c3d\",\"Name\":\"host\"}") },
                                                         { .status = 200, .body = SLICE("{\"Id\":\"zy9x\"}") } };
        static const struct {
                const char *target;
                enum inspect_outcome want;
        } rows[] = { { "0a1b2c3d", INSPECT_DENY }, { "0a", INSPECT_DENY },  { " z ", INSPECT_DENY },
                     { "zy9x1", INSPECT_PASS },    { "net", INSPECT_PASS }, { "", INSPECT_PASS } };
        char body[128];

        fake_init(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (int inner = 0; inner < 2; inner++) {
                        snprintf(body, sizeof(body),
                                 inner ? "{\"TaskTemplate\":{\"Networks\":[{\"Target\":\"%s\"}]}}"
                                       : "{\"Networks\":[{\"Target\":\"%s\"}]}",
                                 rows[i].target);
                        CHECK_INT(bodies_judge_networks(&f, SERVICE, slice_of(body), answers).outcome, rows[i].want);
                }
        {
                const struct lookup was = {
                        .status = 200,
                        .body = SLICE("{\"PreviousSpec\":{\"TaskTemplate\":{\"Networks\":[{\"Target\":\"0a1b\"}]}}}")
                };
                const char *line = "POST /services/s/update?version=1&rollback=previous";

                CHECK_INT(bodies_judge_with(&f, line, NULL, SLICE("{}"), (struct slice){ 0 }, &was, answers).outcome,
                          INSPECT_DENY);
                CHECK_INT(bodies_judge_with(&f, line, NULL, SLICE("{}"), (struct slice){ 0 }, &was, NULL).outcome,
                          INSPECT_PASS);
        }
        answers[1].status = 404; /* no swarm, or one that hides it: it can then not be named either */
        CHECK_INT(bodies_judge_networks(&f, SERVICE, SLICE("{\"Networks\":[{\"Target\":\"net\"}]}"), answers).outcome,
                  INSPECT_PASS);
        answers[1].status = 500;
        CHECK_INT(bodies_judge_networks(&f, SERVICE, SLICE("{\"Networks\":[{\"Target\":\"net\"}]}"), answers).outcome,
                  INSPECT_FAILED);
        answers[1] = (struct lookup){ .status = 200, .body = SLICE("[]") };
        CHECK_INT(bodies_judge_networks(&f, SERVICE, SLICE("{\"Networks\":[{\"Target\":\"net\"}]}"), answers).outcome,
                  INSPECT_FAILED);
        fake_done(&f);
}

static void a_rollback_is_judged_by_the_specification_that_comes_back(void) {
        static const struct {
                const char *answer;
                int status;
                enum inspect_outcome want;
        } rows[] = {
                { "{\"PreviousSpec\":{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"evil.io/x\"}}}}", 200,
                  INSPECT_DENY },
                { "{\"PreviousSpec\":{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}}", 200,
                  INSPECT_PASS },
                { "{}", 200, INSPECT_PASS },
                { "no", 200, INSPECT_FAILED },
                { "", 404, INSPECT_PASS },
                { "", 500, INSPECT_FAILED },
        };

        fake_init(&f);
        bodies_options(&f)->service.allow_official = true;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct lookup l = { rows[i].status, slice_of(rows[i].answer) };

                CHECK_INT(bodies_judge(&f, "POST /services/s/update?version=1&rollback=Previous", NULL, SLICE("{}"),
                                       SLICE(""), &l)
                                  .outcome,
                          rows[i].want);
        }
        fake_done(&f);
}

static void the_swarm_keeps_its_authority(void) {
        struct opt_swarm *o = &bodies_options(&f)->swarm;

        fake_init(&f);
        PASSES("POST /swarm/init", "{\"ListenAddr\":5}");
        DENIED("POST /swarm/init", "{\"ForceNewCluster\":true}");
        DENIED("POST /swarm/init", "{\"Spec\":{\"CAConfig\":{\"ExternalCAs\":[{}]}}}");
        DENIED("POST /swarm/init", "{\"Spec\":{\"CAConfig\":{\"ForceRotate\":1}}}");
        DENIED("POST /swarm/init", "{\"Spec\":{\"EncryptionConfig\":{\"AutoLockManagers\":true}}}");
        DENIED("POST /swarm/join", "{\"RemoteAddrs\":[\"evil:2377\"]}");
        DENIED("POST /swarm/join", "{\"JoinToken\":1}");
        o->allowed_join_remote_addrs = fake_strs(&f, "manager:2377");
        PASSES("POST /swarm/join", "{\"RemoteAddrs\":[\"\",\" Manager:2377 \"]}");
        DENIED("POST /swarm/update?version=1&rotateWorkerToken=1", "{}");
        DENIED("POST /swarm/update?version=1&rotateWorkerToken=1", "");
        DENIED("POST /swarm/update?version=1&rotateManagerToken=2", "{}");
        DENIED("POST /swarm/update?version=1&rotateManagerUnlockKey=true", "{}");
        DENIED("POST /swarm/update?rotateWorkerToken=0&rotateWorkerToken=1", "{}");
        PASSES("POST /swarm/update?version=1&rotateWorkerToken=false", "{}");
        DENIED("POST /swarm/update", "{\"EncryptionConfig\":{\"AutoLockManagers\":true}}");
        DENIED("POST /swarm/unlock", "");
        DENIED("POST /swarm/unlock", "{\"UnlockKey\":\"x\"}");
        o->allow_unlock = true;
        PASSES("POST /swarm/unlock", "{\"UnlockKey\":\"x\"}");
        DENIED("POST /swarm/unlock", "{\"UnlockKey\":1}");
        fake_done(&f);
}

#define NODE "POST /nodes/n/update?version=1"

static void nodes_keep_role_name_and_labels(void) {
        struct opt_node *o = &bodies_options(&f)->node;

        fake_init(&f);
        PASSES(NODE, "{\"Role\":\"\"}");
        DENIED(NODE, "{\"Role\":\"manager\"}");
        DENIED(NODE, "{\"role\":\"manager\"}");
        DENIED(NODE, "{\"Availability\":\"drain\"}");
        DENIED(NODE, "{\"Name\":\"x\"}");
        DENIED(NODE, "{\"Labels\":{}}");
        DENIED(NODE, "{\"Labels\":null}");
        DENIED(NODE, "{\"Labels\":{\"a\":\"b\"}}");
        DENIED(NODE, "[]");
        o->allowed_label_keys = fake_strs(&f, "a");
        PASSES(NODE, "{\"Labels\":{\"a\":\"b\",\"com.sockguard.owner\":\"o\"}}");
        DENIED(NODE, "{\"Labels\":{\"a\":\"b\",\"com.sockguard.owner\":\"\"}}");
        DENIED(NODE, "{\"Labels\":{\"a\":1}}");
        DENIED("POST /nodes/a/b/update", "{\"Role\":\"manager\"}");
        fake_done(&f);
}

static void plugins_get_no_privileges(void) {
        struct opt_plugin *o = &bodies_options(&f)->plugin;

        fake_init(&f);
        o->allow_official = true;
#define PULL "POST /plugins/pull?remote=x&name=x"
        PASSES(PULL, "[]");
        PASSES(PULL, "null");
        DENIED("POST /plugins/pull?remote=evil.io/x", "");
        DENIED("POST /plugins/p/q/upgrade?remote=evil.io/x", "[]");
        DENIED(PULL, "{}");
        DENIED(PULL, "[{\"Name\":\"network\",\"Value\":[\"host\"]}]");
        PASSES(PULL, "[{\"Name\":\"network\",\"Value\":[\"bridge\"]}]");
        DENIED(PULL, "[{\"Name\":\"mount\",\"Value\":[\"/\"]}]");
        DENIED(PULL, "[{\"Name\":\"mount\",\"Value\":[\"etc\"]}]");
        PASSES(PULL, "[{\"Name\":\"mount\",\"Value\":[\"\"]}]");
        DENIED(PULL, "[{\"Name\":\"device\",\"Value\":[\"/dev/sda\"]}]");
        DENIED(PULL, "[{\"Name\":\"capabilities\",\"Value\":[\"CAP_SYS_ADMIN\"]}]");
        DENIED(PULL, "[{\"Name\":\"allow-all-devices\",\"Value\":[\"true\"]}]");
        DENIED(PULL, "[{\"Name\":\"host ipc namespace\",\"Value\":[\"true\"]}]");
        DENIED(PULL, "[{\"Name\":\"pidhost\",\"Value\":[\"true\"]}]");
        DENIED(PULL, "[{\"Name\":\"something new\",\"Value\":[\"x\"]}]");
        o->allowed_capabilities = fake_strs(&f, "SYS_ADMIN");
        DENIED(PULL, "[{\"Name\":\"capabilities\",\"Value\":[\"CAP_SYS_ADMIN\"]}]");
#define SET "POST /plugins/p/set"
        DENIED(SET, "[\"x\"]");
        DENIED(SET, "[\"args=/bin/sh\"]");
        DENIED(SET, "[\"data.source=/etc\"]");
        DENIED(SET, "[\"mem.path=/dev/mem\"]");
        DENIED(SET, "[\"DEBUG=1\"]");
        DENIED(SET, "[1]");
        o->allowed_set_env_prefixes = fake_strs(&f, "DEBUG=");
        PASSES(SET, "[\"DEBUG=1\"]");
        DENIED(SET, "[\"DEBUG=1\",\"args=/bin/sh\"]");
        DENIED("POST /plugins/set", "[\"X=1\"]");
        fake_done(&f);
}

#define PODMAN "POST /v5.0.0/libpod/containers/create"
#define POD "POST /libpod/pods/create"
#define HARMLESS "\"image\":\"busybox\",\"systemd\":\"false\""

static void podman_containers_stay_off_the_host(void) {
        struct opt_libpod_container_create *o = &bodies_options(&f)->libpod_container_create;
        static const char *const denied[] = {
                "\"privileged\":true",
                "\"netns\":{\"nsmode\":\"host\"}",
                "\"pidns\":{\"nsmode\":\" HO\xc5\xbfT\"}",
                "\"utsns\":{\"nsmode\":\"host\"}",
                "\"cgroupns\":{\"nsmode\":\"host\"}",
                "\"netns\":{\"nsmode\":\"path\",\"value\":\"/proc/1/ns/net\"}",
                "\"netns\":{\"nsmode\":\"pod\"}",
                "\"mounts\":[{\"type\":\"bind\",\"source\":\"/\",\"destination\":\"/h\"}]",
                "\"mounts\":[{\"source\":\"/\",\"options\":[\"rbind\"]}]",
                "\"mounts\":[{\"type\":\"tmpfs\",\"source\":\"/\",\"options\":[\"bind\"]}]",
                "\"mounts\":[{\"type\":\"glob\",\"source\":\"/etc/*\"}]",
                "\"mounts\":[{\"type\":\"bind\",\"source\":\"etc\"}]",
                "\"volumes\":[{\"Name\":\"/etc\",\"Dest\":\"/e\"}]",
                "\"overlay_volumes\":[{\"source\":\"/etc\",\"destination\":\"/e\"}]",
                "\"image_volumes\":[{\"Source\":\"x\"}]",
                "\"rootfs\":\"/\"",
                "\"devices\":[{\"path\":\"/dev/sda\"}]",
                "\"host_device_list\":[{\"path\":\"/dev/sda\"}]",
                "\"devices_from\":[\"x\"]",
                "\"device_cgroup_rule\":[{\"type\":\"a\"}]",
                "\"unmask\":[\"ALL\"]",
                "\"procfs_opts\":[\"hidepid=0\"]",
                "\"groups\":[\"keep-groups\"]",
                "\"cgroup_parent\":\"/\"",
                "\"cgroups_mode\":\"disabled\"",
                "\"log_configuration\":{\"path\":\"/etc/cron.d/x\"}",
                "\"conmon_pid_file\":\"/etc/x\"",
                "\"init_path\":\"/bin/sh\"",
                "\"oci_runtime\":\"/bin/sh\"",
                "\"annotations\":{\"run.oci.handler\":\"x\"}",
                "\"secrets\":[{\"Source\":\"s\"}]",
                "\"env_host\":true",
                "\"hostusers\":[\"root\"]",
                "\"volumes_from\":[\"c\"]",
                "\"pod\":\"p\"",
                "\"cap_add\":[\"SYS_ADMIN\"]",
                "\"sysctl\":{\"a\":\"b\"}",
                "\"idmappings\":{\"AutoUserNs\":true}",
        };
        char body[512];

        fake_init(&f);
        PASSES(PODMAN, "{" HARMLESS "}");
        PASSES(PODMAN, "{" HARMLESS ",\"mounts\":[{\"type\":\"tmpfs\",\"destination\":\"/"
                       "t\"}],\"volumes\":[{\"Name\":\"v\",\"Dest\":\"/v\"}],\"cgroups_mode\":\"enabled\"}");
        DENIED(PODMAN, "{\"image\":\"busybox\"}"); /* systemd mode is on when nobody says a word */
        DENIED(PODMAN, "null");
        for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
                snprintf(body, sizeof(body), "{%s,%s}", HARMLESS, denied[i]);
                DENIED(PODMAN, body);
        }
        o->restrict_namespace_sharing = true;
        DENIED(PODMAN, "{" HARMLESS ",\"ipcns\":{\"nsmode\":\"container\",\"value\":\"c\"}}");
        o->allowed_namespace_sharing_containers = fake_strs(&f, "c");
        PASSES(PODMAN, "{" HARMLESS ",\"ipcns\":{\"nsmode\":\"container\",\"value\":\" c \"}}");
        o->image_trust.mode = fake_str(&f, "warn"); /* with nobody who may sign, not even nothing passes */
        DENIED(PODMAN, "");
        DENIED(PODMAN, "{" HARMLESS "}");
        fake_done(&f);
}

static void kubernetes_documents_are_counted(void) {
        static const struct {
                const char *body;
                uint32_t want;
        } rows[] = {
                { "", 0 },
                { "kind: Pod\n", 1 },
                { "---\nkind: Pod\n---\n# nothing\n\n--- {kind: Pod}\n", 2 },
                { "a: |\n  ---\nb: c", 1 },
                { "{\"kind\":\"Pod\"}", 1 },
        };

        fake_init(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_INT(bodies_judge(&f, "POST /libpod/play/kube", NULL, slice_of(rows[i].body), (struct slice){ 0 },
                                       NULL)
                                  .documents,
                          rows[i].want);
        fake_done(&f);
}

static void podman_pods_are_no_way_around(void) {
        fake_init(&f);
        PASSES(POD, "{\"name\":\"p\",\"shared_namespaces\":[\"ipc\",\"net\",\"uts\"]}");
        DENIED(POD, "{\"netns\":{\"nsmode\":\"host\"}}");
        DENIED(POD, "{\"shared_namespaces\":[\"pid\"]}");
        DENIED(POD, "{\"infra_image\":\"evil.io/x\"}");
        DENIED(POD, "{\"infra_image\":\"a//b\"}");
        DENIED(POD, "{\"pidns\":{\"nsmode\":\"host\"}}");
        DENIED(POD, "{\"userns\":{\"nsmode\":\"path\",\"value\":\"/proc/1/ns/user\"}}");
        DENIED(POD, "{\"mounts\":[{\"type\":\"bind\",\"source\":\"/\"}]}");
        DENIED(POD, "{\"volumes\":[{\"Name\":\"/etc\"}]}");
        PASSES(POD, "{\"ipcns\":{\"nsmode\":\"container\",\"value\":\"c\"}}");
        bodies_options(&f)->libpod_container_create.restrict_namespace_sharing = true;
        DENIED(POD, "{\"ipcns\":{\"nsmode\":\"container\",\"value\":\"c\"}}");
        DENIED(POD, "{\"pod_devices\":[\"/dev/sda\"]}");
        DENIED(POD, "{\"security_opt\":[\"label=disable\"]}");
        DENIED(POD, "{\"sysctl\":{\"a\":\"b\"}}");
        DENIED(POD, "{\"cgroup_parent\":\"/\"}");
        DENIED(POD, "{\"infra_conmon_pid_file\":\"/etc/x\"}");
        fake_done(&f);
}

static void podman_pulls_and_networks_are_judged_like_dockers(void) {
        fake_init(&f);
        bodies_options(&f)->image_pull.allow_official = true;
        PASSES("POST /libpod/images/pull?reference=docker.io/library/busybox", "");
        PASSES("POST /libpod/images/pull?reference=docker://busybox", "");
        DENIED("POST /libpod/images/pull?reference=evil.io/x", "");
        DENIED("POST /libpod/images/pull?reference=oci:/etc", "");
        DENIED("POST /libpod/images/pull?reference=dir:x", "");
        PASSES("POST /libpod/images/pull?reference=docker:dind", "");
        DENIED("POST /libpod/images/pull?reference=docker-archive:/etc/x", "");
        DENIED("POST /libpod/images/pull?reference=busybox&tlsVerify=false", "");
        DENIED("POST /libpod/images/import?url=http://x/", "");
        DENIED("POST /libpod/networks/n/connect", "{\"container\":\"c\",\"static_ips\":[\"10.0.0.1\"]}");
        DENIED("POST /libpod/networks/n/connect", "{\"container\":\"c\",\"static_mac\":\"02:00:00:00:00:01\"}");
        PASSES("POST /libpod/networks/n/connect", "{\"container\":\"c\"}");
        DENIED("POST /libpod/networks/create", "{\"subnets\":[{\"subnet\":\"10.0.0.0/8\"}]}");
        DENIED("POST /libpod/networks/create", "{\"network_interface\":\"eth0\"}");
        DENIED("POST /libpod/volumes/create", "{\"Options\":{\"device\":\"/\"}}");
        bodies_options(&f)->libpod_uninspected = true;
        PASSES("POST /libpod/images/pull?reference=evil.io/x", "");
        fake_done(&f);
}

CHECK_MAIN(CHECK_TEST(volumes_get_no_driver_and_no_options), CHECK_TEST(networks_are_gated_member_by_member),
           CHECK_TEST(secrets_keep_to_the_builtin_drivers), CHECK_TEST(services_are_judged_like_containers),
           CHECK_TEST(the_hosts_network_has_ids_too),
           CHECK_TEST(a_rollback_is_judged_by_the_specification_that_comes_back),
           CHECK_TEST(the_swarm_keeps_its_authority), CHECK_TEST(nodes_keep_role_name_and_labels),
           CHECK_TEST(plugins_get_no_privileges), CHECK_TEST(podman_containers_stay_off_the_host),
           CHECK_TEST(kubernetes_documents_are_counted), CHECK_TEST(podman_pods_are_no_way_around),
           CHECK_TEST(podman_pulls_and_networks_are_judged_like_dockers))
