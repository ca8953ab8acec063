namespace Broker.Dashboard.Jobs;

/// <summary>Kinds of storage for jobs.</summary>
internal enum JobStorageKind
{
    /// <summary>SQL Server.</summary>
    SqlServer,

    /// <summary>PostgreSQL.</summary>
    PostgreSql,

    /// <summary>The memory of this process.</summary>
    InMemory,
}
