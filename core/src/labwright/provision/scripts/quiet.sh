# Nothing that is installed from here to the seal is started (Debian policy 9.3.3.2); other families do not start it.
set -eu
if [ -d /etc/dpkg ] && ! [ -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\n# labwright\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
