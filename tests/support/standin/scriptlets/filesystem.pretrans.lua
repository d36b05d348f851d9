posix.mkdir("/usr")
for _, name in ipairs({"bin", "sbin", "lib", "lib64"}) do
  posix.mkdir("/usr/" .. name)
  posix.symlink("usr/" .. name, "/" .. name)
end
for _, name in ipairs({"/proc", "/sys"}) do
  posix.mkdir(name)
  posix.chmod(name, "0555")
end
return 0
