namespace Shop.Hosting;

/// <summary>Named as the worker's configuration names them.</summary>
internal enum DatabaseEngine
{
    Sqlite,
    SqlServer,
    PostgreSql,

    /// <summary>MariaDB too.</summary>
    MySql,
}
