/** The file systems that vaults lie on. */

export interface FileSystemUsage {
  /** The same for two paths on one file system of this machine, as long as that is mounted. */
  readonly id: string;
  /** The same on every machine that mounts this file system; missing where that cannot be told. */
  readonly identity?: string | undefined;
  /** Its type and the options that it is mounted with, as mount(8) names them; missing likewise. */
  readonly type?: string | undefined;
  readonly options?: readonly string[] | undefined;
  readonly totalBytes: number;
  /** What is left for this process: blocks kept for the system are not. */
  readonly freeBytes: number;
}

export interface FileSystems {
  /** Of the file system on which `path` lies. Rejects DISK_IO. */
  usage(path: string): Promise<FileSystemUsage>;
}
