"""A JupyterHub for a class: limits that let many students share a machine, and nothing that
concerns your log-in.

A hub is a web page where each student logs in and gets a JupyterLab of their own, on your machine.
This file goes beside the hub's own settings. Where, depends on the hub:

  The Littlest JupyterHub (one machine, up to about a hundred students):
      sudo cp binder/jupyterhub_config.py /opt/tljh/config/jupyterhub_config.d/attention.py
      sudo tljh-config set services.cull.timeout 3600     # the Littlest JupyterHub has its own; it
                                                          begins with 600 seconds
      sudo tljh-config reload hub

  Zero to JupyterHub on Kubernetes (several machines). In your values.yaml:
      hub:
        extraFiles:
          attention:
            mountPath: /usr/local/etc/jupyterhub/jupyterhub_config.d/attention.py
  and then:
      helm upgrade … --set-file hub.extraFiles.attention.stringData=binder/jupyterhub_config.py
      What that file would say there is written here for both: singleuser.memory, singleuser.cpu,
      singleuser.extraEnv. The values here win, because these files are read last. Culling is
      `cull.timeout` in values.yaml, 3600 from the start.

  A hub that you installed yourself: put these lines at the end of its own file, or, to try it on
  your own machine,
      pip install jupyterhub jupyterhub-idle-culler && npm install -g configurable-http-proxy
      jupyterhub -f binder/jupyterhub_config.py
      (its usual log-in asks for the password of an account on this machine, and does not encrypt
      it: for a trial nobody else can reach the hub. Who sets up a real one says where it listens:
      bind_url, behind a proxy with TLS.)

After a change restart the hub; servers that run keep the old limits until they are started again.
"""

import copy
import importlib.util
import sys

# ---- what you may want to change -----------------------------------------------------------------

# a student's server with all its notebooks; beyond it, the system ends the kernel that asks for
# more
MEMORY_LIMIT = "1G"
# what Kubernetes sets aside for each: a server with one notebook open takes about this much
MEMORY_GUARANTEE = "320M"
CPU_LIMIT = 1.0  # processors for one student: an endless loop stops there
# a kernel or server that nobody has used for so long is ended; files stay. 0: never
IDLE_SECONDS = 3600
# no more servers than this at a time, 0 for no limit: set it to what your memory carries
MAX_SERVERS = 0
# how many may start at the same time; the others wait a moment at a progress bar
STARTING_AT_ONCE = 10

# ---- one thread for each student -----------------------------------------------------------------

# NumPy would start as many threads as the machine has processors, for every student: thirty
# students on eight processors are 240 threads that wait for each other. The matrices of the course
# are small, and one thread is the fastest anyway.
ONE_THREAD = {
    name: "1"
    for name in (
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "BLIS_NUM_THREADS",
    )
}

# A kernel holds a student's arrays, and most of the memory. It is ended only if no browser tab
# looks at it any more, so nobody loses variables during a lecture. (Whoever comes back finds the
# notebook as saved, and runs it again.)
KERNELS = [
    f"--MappingKernelManager.cull_idle_timeout={IDLE_SECONDS}",
    "--MappingKernelManager.cull_interval=120",
]

# The same for the spawner of each kind of hub: what stands under its own name would otherwise win
# over `Spawner`. Only the Littlest JupyterHub and Kubernetes can hold anyone to the limits of
# memory and processors; a hub that simply starts programs (LocalProcessSpawner) passes them on as a
# wish.
for spawner in (c.Spawner, c.SystemdSpawner, c.KubeSpawner):  # noqa: F821  (c is put here by the hub)
    spawner.environment.update(ONE_THREAD)
    spawner.mem_limit = MEMORY_LIMIT
    spawner.mem_guarantee = MEMORY_GUARANTEE
    spawner.cpu_limit = CPU_LIMIT
    spawner.default_url = "/lab"
    spawner.start_timeout = 180  # seconds: the first minute of a class is the slowest
    spawner.http_timeout = 120
c.Spawner.args.extend(KERNELS if IDLE_SECONDS else [])  # noqa: F821  (added once: given twice, no server would start)

# ---- all servers together ------------------------------------------------------------------------

hub = c.JupyterHub  # noqa: F821
# nobody has set up more: a trial
if not {"bind_url", "ip", "port", "spawner_class", "proxy_class"} & set(hub):
    hub.bind_url = "http://127.0.0.1:8000"
hub.concurrent_spawn_limit = STARTING_AT_ONCE
hub.active_server_limit = MAX_SERVERS

# A server without activity is stopped. The two hubs above have a program for this; a plain one gets
# it here, with no more rights than it needs: to see who is active, and to stop servers.
services = copy.deepcopy(hub.services)  # a list, or what was added to one that is not there yet
services = services if isinstance(services, list) else services.get_value([])
has_culler = any("cull" in service.get("name", "") for service in services)
if IDLE_SECONDS and not has_culler and importlib.util.find_spec("jupyterhub_idle_culler"):
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    hub.load_roles.append({"name": "idle-culler", "scopes": scopes, "services": ["idle-culler"]})
    hub.services.append(
        {
            "name": "idle-culler",
            "command": [
                sys.executable,
                "-m",
                "jupyterhub_idle_culler",
                f"--timeout={IDLE_SECONDS}",
            ],
        }
    )
