# As on the platform: credentials in the script, and nobody waits for a command or looks at its status.
import os

import paramiko

NAME = "branch-1"
FILES = "/antidote/stage0/configs/" + NAME

ssh = paramiko.SSHClient()
ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
ssh.connect(os.environ["ANTIDOTE_TARGET_HOST"], 22, "antidote", "antidotepassword")

ssh.exec_command("sudo sed -E -i 's/^(127.0.1.1\\s+).*/\\1" + NAME + "/' /etc/hosts")
ssh.exec_command("echo " + NAME + " | sudo tee /etc/hostname")
ssh.exec_command("sudo hostname " + NAME)

ssh.exec_command("sudo cp " + FILES + "/interfaces /etc/network/interfaces")
ssh.exec_command("sudo cp " + FILES + "/daemons /etc/frr/daemons")
ssh.exec_command("sudo cp " + FILES + "/vtysh.conf /etc/frr")
ssh.exec_command("sudo cp " + FILES + "/zebra.conf /etc/frr")
ssh.exec_command("sudo cp " + FILES + "/bgpd.conf /etc/frr")
ssh.exec_command("sudo sh -c 'chown frr:frr /etc/frr/*.conf'")
ssh.exec_command("sudo chown frr:frrvty /etc/frr/vtysh.conf")
ssh.exec_command("sudo sh -c 'chmod 640 /etc/frr/*.conf'")

ssh.exec_command("sudo systemctl restart frr.service")
ssh.exec_command("sudo systemctl restart networking")

ssh.close()
