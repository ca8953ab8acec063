namespace Broker.Bench;

/// <summary>Whose locks, and where they are kept.</summary>
internal enum LockKind
{
    /// <summary>The product's, in the database.</summary>
    Database,

    /// <summary>The product's, in Redis.</summary>
    Redis,

    /// <summary>The product's, in etcd.</summary>
    Etcd,

    /// <summary>Those of the package DistributedLock.Postgres: advisory locks of a session.</summary>
    OtherPostgreSql,

    /// <summary>Those of the package DistributedLock.Redis.</summary>
    OtherRedis,
}
